//! Looks for what has a form, beside the guard and without its queue.

use std::sync::Arc;

use crate::patterns::Patterns;
use crate::transcript::Transcript;
use crate::verdict::{Judgement, Unscored};

/// How much text is looked through where the exchange runs; more than this, which takes milliseconds,
/// is looked through where it holds nobody up.
const AT_ONCE: usize = 64 << 10;

/// What these patterns find in these texts: nothing, where there are none.
pub(super) async fn look(
    patterns: Option<&Arc<Patterns>>,
    transcripts: &[Transcript],
) -> Judgement {
    let Some(patterns) = patterns else { return Judgement::default() };
    let bytes: usize = transcripts.iter().map(|each| each.judged().text.len()).sum();
    if bytes <= AT_ONCE {
        return patterns.judge(transcripts);
    }
    let (patterns, transcripts) = (Arc::clone(patterns), transcripts.to_vec());
    let looked = tokio::task::spawn_blocking(move || patterns.judge(&transcripts)).await;
    looked.unwrap_or_else(|_| Judgement::unscored(Unscored::GuardDown, bytes as u64))
}
