//! What turns transcripts into a guard's tokens, on the threads of those who ask, and knows how much of
//! them was read before.

use crate::guard::{Lane, Reader, Window};
use crate::transcript::Transcript;
use crate::verdict::Unscored;

use crate::llama_guard::fault::LoadFault;
use crate::llama_guard::prefix::{Behind, Prefixes};
use crate::llama_guard::prompt::{Prompts, WindowPrompt};
use crate::llama_guard::recall::Recall;

/// Prompts, and the beginnings of prompts that are kept.
pub(super) struct Cutter {
    pub(super) prompts: Prompts,
    /// What all prompts begin with.
    pub(super) prefixes: Prefixes,
    /// What the prompts of a lane began with.
    pub(super) recall: Recall,
}

impl Cutter {
    /// The longest beginning of a prompt that is kept. Its last token is read, so it is computed.
    pub(super) fn behind(&self, lane: Lane, ids: &[u32]) -> Option<Behind> {
        let most = ids.len().saturating_sub(1);
        let own = self.recall.longest(lane, ids, most);
        let fixed = self.prefixes.longest(ids, most);
        [fixed, own].into_iter().flatten().max_by_key(|behind| behind.tokens)
    }

    /// The windows in which a transcript is read.
    pub(super) fn windows(
        &self,
        lane: Lane,
        transcript: &Transcript,
    ) -> Result<Vec<Window>, LoadFault> {
        let continues = !transcript.context().is_empty();
        let window = |prompt| self.window(lane, prompt, continues);
        Ok(self.prompts.prompt(transcript)?.windows.into_iter().map(window).collect())
    }

    fn window(&self, lane: Lane, prompt: WindowPrompt, continues: bool) -> Window {
        let WindowPrompt { ids, stem, fresh, category } = prompt;
        let tokens = ids.len() + self.prompts.forced().len();
        let most = ids.len().saturating_sub(1);
        let fixed = self.prefixes.longest(&ids, most).map_or(0, |behind| behind.tokens);
        let known = fixed.max(self.recall.shared(lane, &ids).min(most));
        // What stands alone is continued by nothing: the next message is judged by itself.
        let stem = if continues { stem } else { 0 };
        let fresh = u64::try_from(fresh).unwrap_or(u64::MAX);
        Window { ids, stem, fresh, tokens, cost: tokens - known, category }
    }
}

impl Reader for Cutter {
    fn read(&self, lane: Lane, transcript: &Transcript) -> Result<Vec<Window>, Unscored> {
        self.windows(lane, transcript).map_err(|error| {
            tracing::error!(%error, "the guard could not tokenise a text");
            Unscored::Unreadable
        })
    }
}
