//! The account of one client connection: how long it may take to bring a request head, and how often
//! it asked and did not wait.
//!
//! pingora bounds every single read of a head, not the head: a byte every few seconds holds a
//! connection for ever. Its session cannot be given a deadline from outside, so the connection's
//! task races it against a watch, which runs while no request is being served. A connection of HTTP/2
//! serves many at a time; one that goes on opening streams and resetting them makes work without ever
//! reading an answer, and is ended.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::watch;

/// So many more requests than were answered may be left before their answers begin.
const TOLERATED: usize = 100;

tokio::task_local! {
    static CONNECTION: Arc<Connection>;
}

/// What a connection is doing, told by every change.
pub(crate) struct Connection {
    state: watch::Sender<State>,
    left: AtomicUsize,
}

#[derive(Clone, Copy, Default)]
struct State {
    /// Requests between their heads and the ends of their answers.
    serving: usize,
    /// Whether a request head has arrived yet.
    has_served: bool,
}

impl Connection {
    /// Runs the life of a connection, and ends it when it idles or dribbles for longer than
    /// `first` (before its first request) or `between` (before any later one).
    pub(crate) async fn watched<T>(
        first: Duration,
        between: Duration,
        life: impl Future<Output = T>,
    ) -> Option<T> {
        let state = watch::Sender::new(State::default());
        let connection = Arc::new(Self { state, left: AtomicUsize::new(0) });
        let mut state = connection.state.subscribe();
        let overdue = async move {
            loop {
                let patience = match *state.borrow_and_update() {
                    State { serving: 1.., .. } => Duration::MAX,
                    State { has_served: true, .. } => between,
                    State { has_served: false, .. } => first,
                };
                if tokio::time::timeout(patience, state.changed()).await.is_err() {
                    return;
                }
            }
        };
        tokio::select! {
            biased;
            done = connection.of(life) => Some(done),
            () = overdue => None,
        }
    }

    /// The connection whose task this is; `None` outside of a watched one.
    pub(crate) fn current() -> Option<Arc<Self>> {
        CONNECTION.try_with(Arc::clone).ok()
    }

    /// Runs work as a part of this connection.
    pub(crate) fn of<T>(self: Arc<Self>, work: impl Future<Output = T>) -> impl Future<Output = T> {
        CONNECTION.scope(self, work)
    }

    /// Says that a whole request head has arrived, and is being served for as long as what is given
    /// lives.
    pub(crate) fn serving() -> Serving {
        let connection = Self::current();
        if let Some(connection) = &connection {
            connection.state.send_modify(|state| {
                state.serving += 1;
                state.has_served = true;
            });
        }
        Serving(connection)
    }

    /// Notes a request that got its answer, or one whose client left before it began.
    pub(crate) fn note(&self, answered: bool) {
        let change = |left: usize| {
            Some(if answered { left.saturating_sub(1) } else { left.saturating_add(1) })
        };
        let _ = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, change);
    }

    /// Whether far more requests were left than answered.
    pub(crate) fn is_abused(&self) -> bool {
        self.left.load(Ordering::Relaxed) > TOLERATED
    }
}

/// One request that is being served.
pub struct Serving(Option<Arc<Connection>>);

impl Serving {
    /// Notes how it went.
    pub(crate) fn note(&self, answered: bool) {
        if let Some(connection) = &self.0 {
            connection.note(answered);
        }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        if let Some(connection) = &self.0 {
            connection.state.send_modify(|state| state.serving = state.serving.saturating_sub(1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Connection, TOLERATED};
    use std::time::Duration;

    const SHORT: Duration = Duration::from_millis(5);
    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn a_connection_that_brings_no_request_is_ended() {
        let life = std::future::pending::<()>();
        assert_eq!(Connection::watched(SHORT, LONG, life).await, None);
    }

    #[tokio::test]
    async fn a_connection_that_serves_is_left_alone() {
        let life = async {
            let serving = Connection::serving();
            drop(Connection::serving());
            tokio::time::sleep(SHORT * 4).await;
            drop(serving);
            7
        };
        assert_eq!(Connection::watched(SHORT, SHORT, life).await, Some(7));
    }

    #[tokio::test]
    async fn a_connection_that_rests_too_long_is_ended() {
        let life = async {
            let serving = Connection::serving();
            tokio::task::yield_now().await;
            drop(serving);
            std::future::pending::<()>().await;
        };
        assert_eq!(Connection::watched(LONG, SHORT, life).await, None);
    }

    #[tokio::test]
    async fn a_connection_that_leaves_far_more_than_it_reads_is_abused() {
        let life = async {
            let connection = Connection::current().expect("watched");
            for _ in 0..TOLERATED {
                // Leaving now and then is what clients do.
                for answered in [false, true, false] {
                    connection.note(answered);
                }
            }
            assert!(!connection.is_abused());
            connection.note(false);
            connection.is_abused()
        };
        assert_eq!(Connection::watched(LONG, LONG, life).await, Some(true));
    }
}
