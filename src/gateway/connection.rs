//! The watch over one client connection: how long it may take to bring a request head.
//!
//! pingora bounds every single read of a head, not the head: a byte every few seconds holds a
//! connection for ever. Its session cannot be given a deadline from outside, so the connection's
//! task races it against this watch, which runs while no request is being served.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

tokio::task_local! {
    static CONNECTION: Arc<Connection>;
}

/// What the task of a connection is doing, told by every change.
pub(crate) struct Connection {
    state: watch::Sender<State>,
}

#[derive(Clone, Copy)]
enum State {
    /// Connected, and no request head has arrived yet.
    Fresh,
    /// Between a request head and the end of its answer.
    Serving,
    /// After an answer.
    Resting,
}

impl Connection {
    /// Runs the life of a connection, and ends it when it idles or dribbles for longer than
    /// `first` (before its first request) or `between` (before any later one).
    pub(crate) async fn watched<T>(
        first: Duration,
        between: Duration,
        life: impl Future<Output = T>,
    ) -> Option<T> {
        let connection = Arc::new(Self { state: watch::Sender::new(State::Fresh) });
        let mut state = connection.state.subscribe();
        let overdue = async move {
            loop {
                let patience = match *state.borrow_and_update() {
                    State::Fresh => first,
                    State::Resting => between,
                    State::Serving => Duration::MAX,
                };
                if tokio::time::timeout(patience, state.changed()).await.is_err() {
                    return;
                }
            }
        };
        tokio::select! {
            biased;
            done = CONNECTION.scope(connection, life) => Some(done),
            () = overdue => None,
        }
    }

    /// Says that a whole request head has arrived.
    pub(crate) fn serves() {
        Self::tell(State::Serving);
    }

    /// Says that the answer is out, and the next request is awaited.
    pub(crate) fn rests() {
        Self::tell(State::Resting);
    }

    fn tell(state: State) {
        // Outside a watched connection (a stream of HTTP/2) there is nobody to tell.
        let _ = CONNECTION.try_with(|connection| connection.state.send_replace(state));
    }
}

#[cfg(test)]
mod tests {
    use super::Connection;
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
            Connection::serves();
            tokio::time::sleep(SHORT * 4).await;
            Connection::rests();
            7
        };
        assert_eq!(Connection::watched(LONG, LONG, life).await, Some(7));
    }

    #[tokio::test]
    async fn a_connection_that_rests_too_long_is_ended() {
        let life = async {
            Connection::serves();
            tokio::task::yield_now().await;
            Connection::rests();
            std::future::pending::<()>().await;
        };
        assert_eq!(Connection::watched(LONG, SHORT, life).await, None);
    }
}
