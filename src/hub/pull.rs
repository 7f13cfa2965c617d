//! The whole way: which commit, which files, what is there, what is missing, and patience meanwhile.

use std::io::Read as _;
use std::path::PathBuf;
use std::time::Duration;

use http::StatusCode;
use thiserror::Error;

use crate::hub::address::{Repository, Revision};
use crate::hub::checksum::Checksum;
use crate::hub::client::{Hub, HubError, Settings};
use crate::hub::folder::{Folder, FolderError, Found, PIECE};
use crate::hub::part::{Part, Settled};
use crate::hub::selection::{self, Chosen, FileName, SelectionError, Wanted};
use crate::hub::size::Size;

/// What is to come, and where to.
#[derive(Clone, Debug)]
pub struct Order {
    /// The repository.
    pub repository: Repository,
    /// Which version of it.
    pub revision: Revision,
    /// Which files of it.
    pub wanted: Wanted,
    /// The folder they go to; made if it is missing.
    pub folder: PathBuf,
}

/// What is in the folder now.
#[derive(Clone, Debug)]
pub struct Pulled {
    /// The commit that the revision was.
    pub commit: String,
    /// The files that were wanted.
    pub files: Vec<PulledFile>,
    /// What the folder takes on disk, other files in it included.
    pub folder_bytes: u64,
}

/// A file that is in the folder and is what the hub promises.
#[derive(Clone, Debug)]
pub struct PulledFile {
    /// Its name.
    pub name: FileName,
    /// Its size.
    pub bytes: u64,
    /// Its checksum.
    pub checksum: Checksum,
    /// How it got there.
    pub how: How,
}

/// How a file got into the folder.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum How {
    /// It had been there before.
    Present,
    /// It came.
    Fetched,
    /// Part of it had been there before.
    Resumed,
}

/// What happens on the way.
#[derive(Debug)]
pub enum Step<'a> {
    /// This is what is to be had.
    Chosen {
        /// The commit.
        commit: &'a str,
        /// How many files.
        files: usize,
        /// How much they are together.
        bytes: u64,
    },
    /// Another pull is at work in the folder; this one goes on when it has ended.
    Waiting,
    /// A file that is there is read.
    Checking {
        /// Which.
        name: &'a FileName,
        /// How large it is.
        bytes: u64,
    },
    /// It is what the hub promises.
    Present {
        /// Which.
        name: &'a FileName,
    },
    /// It is not, and will be replaced.
    Differs {
        /// Which.
        name: &'a FileName,
    },
    /// A file begins to come, or goes on.
    Fetching {
        /// Which.
        name: &'a FileName,
        /// How much of it is there.
        from: u64,
        /// How large it is.
        bytes: u64,
    },
    /// So many bytes more were read or came.
    Came(u64),
    /// What there was of a file is of no use, and it begins anew.
    Restarted {
        /// Which.
        name: &'a FileName,
    },
    /// It is tried again.
    Retrying {
        /// Why.
        cause: &'a HubError,
        /// When.
        pause: Duration,
    },
    /// A file is whole and right.
    Fetched {
        /// Which.
        name: &'a FileName,
    },
}

/// Why not everything is in the folder. What is under a final name is right all the same.
#[derive(Debug, Error)]
pub enum PullError {
    /// The hub refuses.
    #[error(transparent)]
    Hub(HubError),
    /// The hub cannot be asked.
    #[error(
        "{0}; nothing has come yet: run the same command again later, or set HF_ENDPOINT to a mirror"
    )]
    Unreachable(HubError),
    /// A file did not come whole, for all the trying.
    #[error(
        "{cause}; {have} of {size} of {name} are here: run the same command again to go on from there"
    )]
    Interrupted {
        /// Which.
        name: FileName,
        /// How much of it is here.
        have: Size,
        /// How large it is.
        size: Size,
        /// What broke last.
        cause: HubError,
    },
    /// A file came whole, twice, and is not what was promised.
    #[error(
        "{name} is not what the hub promises ({promised}, and {came} came) and was thrown away; somebody between \
             here and the hub changes files, or the hub itself is in disorder"
    )]
    WrongChecksum {
        /// Which.
        name: FileName,
        /// What the hub says.
        promised: Checksum,
        /// What came.
        came: Checksum,
    },
    /// The repository holds nothing to fetch.
    #[error(transparent)]
    Selection(#[from] SelectionError),
    /// The folder does not take it.
    #[error(transparent)]
    Folder(#[from] FolderError),
}

/// Fetches what is not there yet, and says what happens.
///
/// # Errors
///
/// If anything is missing in the end. What came of it stays, and the next call goes on from there.
pub fn pull(
    order: &Order,
    settings: &Settings,
    watch: &mut dyn FnMut(Step<'_>),
) -> Result<Pulled, PullError> {
    let hub = Hub::new(settings, &order.repository, &order.revision);
    let commit = patiently(settings, watch, || hub.commit())?;
    let listing = patiently(settings, watch, || hub.files(&commit))?;
    let chosen = selection::choose(&listing, &order.wanted)?;
    let bytes = chosen.iter().map(|file| file.size).fold(0, u64::saturating_add);
    watch(Step::Chosen { commit: &commit, files: chosen.len(), bytes });

    let folder = Folder::hold(&order.folder, || watch(Step::Waiting))?;
    let mut files = Vec::new();
    for file in &chosen {
        files.push((file, is_present(&folder, file, watch)?));
    }
    let missing = files.iter().filter(|(_, present)| !present).map(|(file, _)| *file);
    let needed = missing.map(|file| file.size - folder.grown(file));
    folder.has_room_for(needed.fold(0, u64::saturating_add))?;

    let mut pulled = Vec::new();
    for (file, present) in files {
        let how = if present {
            How::Present
        } else {
            fetch(&hub, &commit, &folder, file, settings, watch)?
        };
        let Chosen { name, size, checksum } = file.clone();
        pulled.push(PulledFile { name, bytes: size, checksum, how });
    }
    let folder_bytes = folder.size();
    Ok(Pulled { commit, files: pulled, folder_bytes })
}

fn is_present(
    folder: &Folder,
    file: &Chosen,
    watch: &mut dyn FnMut(Step<'_>),
) -> Result<bool, FolderError> {
    let name = &file.name;
    let mut begun = false;
    let found = folder.find(file, |came| {
        if !std::mem::replace(&mut begun, true) {
            watch(Step::Checking { name, bytes: file.size });
        }
        watch(Step::Came(came));
    })?;
    match found {
        Found::Right => watch(Step::Present { name }),
        Found::Other => watch(Step::Differs { name }),
        Found::Nothing => {}
    }
    Ok(matches!(found, Found::Right))
}

/// One file, from where it stands to its place.
fn fetch(
    hub: &Hub<'_>,
    commit: &str,
    folder: &Folder,
    file: &Chosen,
    settings: &Settings,
    watch: &mut dyn FnMut(Step<'_>),
) -> Result<How, PullError> {
    let name = &file.name;
    let grown = folder.grown(file);
    watch(Step::Fetching { name, from: 0, bytes: file.size });
    let mut part = Part::open(folder, file, |came| watch(Step::Came(came)))?;
    let how = if grown > 0 { How::Resumed } else { How::Fetched };
    let mut attempts = Attempts::of(settings);
    let (mut furthest, mut was_wrong) = (part.have(), false);
    loop {
        let cause = match download(hub, commit, file, &mut part, watch) {
            Ok(()) => match part.settle()? {
                Settled::Right => {
                    watch(Step::Fetched { name });
                    return Ok(how);
                }
                // Once may be what a disk or an old cache did to the first half.
                Settled::Wrong(_) if !std::mem::replace(&mut was_wrong, true) => {
                    watch(Step::Restarted { name });
                    continue;
                }
                Settled::Wrong(came) => {
                    part.discard()?;
                    let (name, promised) = (name.clone(), file.checksum);
                    return Err(PullError::WrongChecksum { name, promised, came });
                }
            },
            Err(Fault::Folder(fault)) => return Err(fault.into()),
            Err(Fault::Hub(cause)) => cause,
        };
        if let HubError::Status { status: StatusCode::RANGE_NOT_SATISFIABLE, .. } = cause {
            part.restart()?;
            watch(Step::Restarted { name });
        } else if !cause.is_passing() {
            return Err(PullError::Hub(cause));
        }
        // As long as it gets further, it may break as often as it likes.
        if part.have() > furthest {
            furthest = part.have();
            attempts = Attempts::of(settings);
        }
        let Some(pause) = attempts.next(&cause) else {
            let (name, have, size) = (name.clone(), Size(part.have()), Size(file.size));
            return Err(PullError::Interrupted { name, have, size, cause });
        };
        watch(Step::Retrying { cause: &cause, pause });
        std::thread::sleep(pause);
        watch(Step::Fetching { name, from: part.have(), bytes: file.size });
    }
}

/// Whose fault it is that a download ended.
enum Fault {
    Hub(HubError),
    Folder(FolderError),
}

/// Lets a part grow until it is whole.
fn download(
    hub: &Hub<'_>,
    commit: &str,
    file: &Chosen,
    part: &mut Part<'_>,
    watch: &mut dyn FnMut(Step<'_>),
) -> Result<(), Fault> {
    if part.missing() == 0 {
        return Ok(());
    }
    let bytes = hub.file(commit, file.name.as_str(), part.have()).map_err(Fault::Hub)?;
    if bytes.from != part.have() {
        part.restart().map_err(Fault::Folder)?;
        watch(Step::Restarted { name: &file.name });
    }
    let mut body = bytes.body.take(part.missing());
    let mut piece = vec![0; PIECE];
    loop {
        let came = match body.read(&mut piece) {
            Ok(0) if part.missing() == 0 => return Ok(()),
            Ok(0) => return Err(Fault::Hub(HubError::Cut { host: bytes.host })),
            Ok(came) => came,
            Err(cause) => {
                return Err(Fault::Hub(HubError::broken(bytes.host, cause)));
            }
        };
        part.grow(piece.get(..came).unwrap_or_default()).map_err(Fault::Folder)?;
        watch(Step::Came(came as u64));
    }
}

/// Asks until there is an answer, or a refusal, or no patience left.
fn patiently<T>(
    settings: &Settings,
    watch: &mut dyn FnMut(Step<'_>),
    ask: impl Fn() -> Result<T, HubError>,
) -> Result<T, PullError> {
    let mut attempts = Attempts::of(settings);
    loop {
        let cause = match ask() {
            Ok(answer) => return Ok(answer),
            Err(cause) if !cause.is_passing() => return Err(PullError::Hub(cause)),
            Err(cause) => cause,
        };
        let Some(pause) = attempts.next(&cause) else { return Err(PullError::Unreachable(cause)) };
        watch(Step::Retrying { cause: &cause, pause });
        std::thread::sleep(pause);
    }
}

/// The attempts that are left, and the pause before the next.
struct Attempts {
    left: u32,
    pause: Duration,
}

const LONGEST_PAUSE: Duration = Duration::from_secs(30);

impl Attempts {
    fn of(settings: &Settings) -> Self {
        Self { left: settings.retries, pause: settings.pause }
    }

    fn next(&mut self, cause: &HubError) -> Option<Duration> {
        self.left = self.left.checked_sub(1)?;
        let pause = self.pause.min(LONGEST_PAUSE);
        self.pause = pause * 2;
        Some(cause.retry_after().map_or(pause, |wanted| wanted.max(pause)))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::StatusCode;

    use super::Attempts;
    use crate::hub::client::{HubError, Settings};

    #[test]
    fn pauses_grow_and_the_hub_may_ask_for_longer_ones() {
        let mut attempts = Attempts::of(&Settings { retries: 4, ..Settings::default() });
        let cut = HubError::Cut { host: "h".to_owned() };
        let busy = HubError::Status {
            host: "h".to_owned(),
            status: StatusCode::TOO_MANY_REQUESTS,
            retry_after: Some(Duration::from_secs(60)),
            passing: true,
        };
        let pauses = [&cut, &cut, &busy, &cut, &cut].map(|cause| attempts.next(cause));
        let seconds = pauses.map(|pause| pause.map(|pause| pause.as_secs()));
        assert_eq!(seconds, [Some(1), Some(2), Some(60), Some(8), None]);
    }
}
