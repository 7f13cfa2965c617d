//! A streamed answer under a policy that only observes: it passes as it comes, byte for byte, and is judged
//! beside. Whatever goes wrong with the judging is for the record, and nobody waits for it.

use std::time::Instant;

use crate::audit::Outcome;
use crate::enforce::Holdback;
use crate::gateway::downstream::Downstream;
use crate::gateway::exchange::{Ending, Exchange, begin};
use crate::gateway::failure::Failure;
use crate::gateway::inspect::Inspector;
use crate::gateway::upstream::Response;
use crate::verdict::Unscored;

/// How many bytes of a stream may wait to be judged; what comes behind them goes unjudged.
const MOST_WAITING: u64 = 4 << 20;

impl Exchange<'_> {
    /// Lets a stream pass, and notes what is found in it.
    pub(super) async fn observe(
        &mut self,
        downstream: &mut Downstream<'_>,
        response: &mut Response,
        inspector: &mut Inspector<'_>,
        hold: &mut Holdback,
    ) -> Result<Ending, Failure> {
        let status = response.status().as_u16();
        begin(downstream, response, inspector).await?;
        let mut judging = None;
        let mut is_read = true;
        loop {
            if judging.is_none() {
                let window = inspector.window_beside(hold);
                judging = window.map(|(window, found)| (window, Box::pin(found)));
            }
            let asked = Instant::now();
            let next = async {
                match &mut judging {
                    None => Ok(response.next().await),
                    Some((_, found)) => tokio::select! {
                        piece = response.next() => Ok(piece),
                        heard = found => Err(heard),
                    },
                }
            };
            let next = downstream.unless_gone(next).await?;
            self.elsewhere += asked.elapsed();
            match next {
                Ok(piece) => {
                    let Some(bytes) = piece? else { break };
                    if is_read {
                        is_read = read(hold, &bytes, inspector);
                    }
                    if let Some(cleared) = inspector.let_pass(bytes) {
                        downstream.write(cleared).await?;
                    }
                }
                Err(heard) => {
                    if let Some((window, _)) = judging.take() {
                        inspector.window_found(window, heard, hold);
                        self.draft.response(inspector.response_record());
                    }
                }
            }
        }
        // The client has all of it; what is still to be found is for the record.
        downstream.finish().await?;
        let asked = Instant::now();
        if is_read && hold.end().is_err() {
            inspector.leave_unscored(Unscored::Unreadable);
        }
        if let Some((window, found)) = judging {
            inspector.window_found(window, found.await, hold);
        }
        while let Some((window, found)) = inspector.window_beside(hold) {
            inspector.window_found(window, found.await, hold);
        }
        self.elsewhere += asked.elapsed();
        self.draft.response(inspector.response_record());
        Ok(Ending { outcome: Outcome::Delivered, status })
    }
}

/// Takes in what has come. Whether what follows can be read, too.
fn read(hold: &mut Holdback, bytes: &[u8], inspector: &mut Inspector<'_>) -> bool {
    let why = if hold.is_closed() {
        if bytes.trim_ascii().is_empty() {
            return true;
        }
        Unscored::Unreadable
    } else if hold.push(bytes).is_err() {
        Unscored::Unreadable
    } else if hold.waiting() > MOST_WAITING {
        Unscored::Overloaded
    } else {
        return true;
    };
    inspector.leave_unscored(why);
    false
}
