//! A guard's files, fetched from the Hugging Face hub.
//!
//! The hub is git behind HTTP. Asked for a revision it names the commit, and from there on everything is
//! asked of that commit, so that a branch that moves meanwhile mixes nothing. The commit's tree lists
//! each file with its size and a checksum: SHA-256 where the file lies in git's large file storage, the
//! SHA-1 of its git blob where it is small. Large files are redirected to another host, which is sent
//! the range that is wanted, and never the token.
//!
//! A file grows beside its place and moves there when it is whole and its checksum right. So what bears
//! a final name is what the hub promised, whatever was cut, and a second run has only the rest to do.
//! Nothing is remembered about what was checked: a second run reads the files again, which takes a
//! fraction of fetching them and cannot be out of date.
//!
//! Only what a guard is made of comes down. Pickles and code can run what they hold, so neither does.
//!
//! Sources: the protocol as `huggingface_hub` speaks it (`list_repo_tree`, `get_hf_file_metadata`,
//! `hf_raise_for_status`), <https://huggingface.co/docs/hub/api>; ranges, RFC 9110 section 14.

mod address;
mod checksum;
mod client;
mod folder;
mod listing;
mod part;
mod pull;
mod selection;
mod size;

pub use address::{Endpoint, NotARepository, NotARevision, NotAnEndpoint, Repository, Revision};
pub use checksum::Checksum;
pub use client::{HubError, NotAToken, Proxy, Settings, Token};
pub use folder::FolderError;
pub use pull::{How, Order, PullError, Pulled, PulledFile, Step, pull};
pub use selection::{FileName, SelectionError, Wanted};
pub use size::Size;
