//! Every way to fail: its status, its code, its words for the client and its words for the log.
//!
//! The only place that knows status codes. What a client reads never carries text of prompts or
//! responses, a path of this machine, or a cause; the log gets the cause, once.

use crate::audit::{AuditError, Outcome};
use crate::gateway::coding::CodingFault;
use crate::gateway::framing::FramingFault;
use crate::gateway::route::Route;
use crate::gateway::upstream::UpstreamFault;
use crate::verdict::Unscored;
use crate::wire::Malformed;
use crate::wire::reply::Error;

/// Why an exchange ended without the answer that was asked for.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("refused the framing: {0}")]
    Framing(#[from] FramingFault),
    #[error("the request head is over {limit} bytes")]
    HeadTooLarge { limit: usize },
    #[error("no guarded route")]
    RouteNotGuarded,
    #[error("no tenant has this key")]
    Unauthorized,
    #[error("the content type is not application/json")]
    MediaType,
    #[error("the header {name} holds more than names")]
    Header { name: &'static str },
    #[error("refused the body: {0}")]
    Coding(#[from] CodingFault),
    #[error("the request body is over {limit} bytes")]
    BodyTooLarge { limit: usize },
    #[error("all request bodies together are over their bound")]
    Overloaded,
    #[error("the request body did not arrive in time")]
    BodyTooSlow,
    #[error("the request body broke off or was framed badly")]
    BodyBroken,
    #[error("refused the request: {0}")]
    Malformed(#[from] Malformed),
    #[error("the prompt needs {windows} windows of the guard, over {limit}")]
    TooManyWindows { windows: usize, limit: usize },
    #[error("no verdict: {}", .0.code())]
    Unscored(Unscored),
    #[error("no upstream serves the model that was asked for")]
    ModelNotRouted,
    #[error("upstream: {0}")]
    Upstream(#[from] UpstreamFault),
    #[error("audit: {0}")]
    Audit(#[from] AuditError),
    #[error("the client left")]
    ClientGone,
}

/// What a client is told.
#[derive(Debug)]
pub(crate) struct Words {
    pub(crate) status: u16,
    pub(crate) code: &'static str,
    kind: &'static str,
    message: String,
    param: Option<String>,
    /// Whether the official clients, which retry by themselves, should.
    pub(crate) retry: bool,
}

impl Words {
    /// The same in the error envelope of a dialect.
    pub(crate) fn error(&self) -> Error<'_> {
        let (message, param) = (self.message.as_str(), self.param.as_deref());
        Error { message, kind: self.kind, param, code: self.code }
    }
}

const CALLER: &str = "invalid_request_error";
const OURS: &str = "server_error";

impl Failure {
    /// Status, code and words for the client. No wildcard: a new failure has to say its own.
    pub(crate) fn words(&self) -> Words {
        let caller = |status, code, message: String| Words {
            status,
            code,
            kind: CALLER,
            message,
            param: None,
            retry: false,
        };
        let ours = |status, code, message: &str, retry| Words {
            status,
            code,
            kind: OURS,
            message: message.to_owned(),
            param: None,
            retry,
        };
        match self {
            Self::Framing(fault) => caller(400, "bad_framing", fault.to_string()),
            Self::HeadTooLarge { limit } => {
                caller(431, "head_too_large", format!("the request head is over {limit} bytes"))
            }
            Self::RouteNotGuarded => caller(
                404,
                "route_not_guarded",
                format!(
                    "this gateway guards {}, and refuses every other method and path",
                    Route::all()
                ),
            ),
            Self::Unauthorized => caller(
                401,
                "invalid_api_key",
                "no tenant of this gateway has the key that was sent; send one as `Authorization: \
                 Bearer KEY`, or in the header of the API that is spoken"
                    .to_owned(),
            ),
            Self::MediaType => caller(
                415,
                "unsupported_media_type",
                "the body must be sent as `Content-Type: application/json` (UTF-8)".to_owned(),
            ),
            Self::Header { name } => caller(
                400,
                "invalid_header",
                format!("`{name}` must hold names between commas, 1024 bytes at most"),
            ),
            Self::Coding(fault) => match fault {
                CodingFault::Unknown | CodingFault::Layers => {
                    caller(415, "unsupported_content_encoding", fault.to_string())
                }
                CodingFault::Bomb => caller(413, "body_too_large", fault.to_string()),
                CodingFault::Broken => caller(400, "body_broken", fault.to_string()),
            },
            Self::BodyTooLarge { limit } => {
                caller(413, "body_too_large", format!("the request body is over {limit} bytes"))
            }
            Self::Overloaded => ours(
                503,
                "overloaded",
                "this gateway holds as many request bodies as it can; try again",
                true,
            ),
            Self::BodyTooSlow => {
                caller(408, "body_too_slow", "the request body did not arrive in time".to_owned())
            }
            Self::BodyBroken => caller(
                400,
                "body_broken",
                "the request body broke off or its chunks are framed badly".to_owned(),
            ),
            Self::Malformed(malformed) => Words {
                status: 400,
                code: malformed.code(),
                kind: CALLER,
                message: malformed.to_string(),
                param: malformed.param().map(str::to_owned),
                retry: false,
            },
            Self::TooManyWindows { windows, limit } => caller(
                413,
                "prompt_too_long",
                format!(
                    "the prompt would take the content guard {windows} readings, and {limit} are the \
                     most; shorten it, or send fewer messages"
                ),
            ),
            Self::Unscored(reason) if reason.is_lasting() => caller(
                400,
                "content_unreadable",
                "the content guard cannot judge all of this".to_owned(),
            ),
            Self::Unscored(_) => ours(
                503,
                "guard_unavailable",
                "the content guard has no verdict now; try again later",
                true,
            ),
            Self::ModelNotRouted => Words {
                param: Some("model".to_owned()),
                ..caller(
                    404,
                    "model_not_found",
                    "no upstream of this gateway serves this model; GET /v1/models lists those \
                     that are served"
                        .to_owned(),
                )
            },
            Self::Upstream(fault) => match fault {
                UpstreamFault::Unreachable(_) => {
                    ours(502, "upstream_unreachable", "the model provider cannot be reached", true)
                }
                UpstreamFault::TimedOut(_) => ours(
                    504,
                    "upstream_timeout",
                    "the model provider did not answer in time",
                    false,
                ),
                UpstreamFault::Broken(_) => {
                    ours(502, "upstream_failed", "the model provider's answer broke off", true)
                }
                UpstreamFault::TooLarge { .. } => ours(
                    502,
                    "upstream_too_large",
                    "the model provider's answer is larger than this gateway takes",
                    false,
                ),
                UpstreamFault::Unreadable(_) => ours(
                    502,
                    "upstream_unreadable",
                    "the model provider's answer cannot be read in one way only, so it cannot be \
                     judged",
                    false,
                ),
            },
            Self::Audit(_) => ours(
                503,
                "audit_unavailable",
                "the audit log cannot be written, and nothing passes unrecorded",
                true,
            ),
            Self::ClientGone => caller(499, "client_closed_request", "the client left".to_owned()),
        }
    }

    /// Whether what is left of the request cannot be trusted to be where the next one begins.
    pub(crate) fn breaks_connection(&self) -> bool {
        matches!(
            self,
            Self::Framing(_)
                | Self::HeadTooLarge { .. }
                | Self::BodyBroken
                | Self::BodyTooSlow
                | Self::BodyTooLarge { .. }
                | Self::Overloaded
                | Self::Coding(CodingFault::Bomb | CodingFault::Broken)
        )
    }

    /// Whether nobody is there to hear of it, or nothing on the connection can be trusted any more.
    pub(crate) fn ends_conversation(&self) -> bool {
        matches!(self, Self::ClientGone) || self.breaks_connection()
    }

    /// How the record of the exchange ends.
    pub(crate) fn outcome(&self) -> Outcome {
        match self {
            Self::ClientGone => Outcome::Abandoned,
            Self::Upstream(_) | Self::Audit(_) => Outcome::Failed,
            Self::Framing(_)
            | Self::HeadTooLarge { .. }
            | Self::RouteNotGuarded
            | Self::Unauthorized
            | Self::MediaType
            | Self::Header { .. }
            | Self::Coding(_)
            | Self::BodyTooLarge { .. }
            | Self::Overloaded
            | Self::BodyTooSlow
            | Self::BodyBroken
            | Self::Malformed(_)
            | Self::TooManyWindows { .. }
            | Self::Unscored(_)
            | Self::ModelNotRouted => Outcome::Refused,
        }
    }
}
