//! What sets one guard model family apart from another: strings, as data.
//!
//! A family is a prompt's fixed parts and the words of its answer. The prompts are those of the
//! published chat templates, byte for byte: `tests/parity.rs` compares them with what transformers
//! renders. Which family a folder belongs to is decided in `recognise.rs`.

use crate::taxonomy::Taxonomy;
use crate::transcript::{Role, Turn};

/// The words a family is prompted with and answers in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Family {
    /// What it is called in `gateway.toml`, on the guard's card and in the audit log.
    pub name: &'static str,
    /// What stands before the conversation when a user's turn is judged.
    pub head_user: String,
    /// What stands before the conversation when the model's turn is judged.
    pub head_agent: String,
    /// What stands behind the conversation when a user's turn is judged.
    pub tail_user: String,
    /// What stands behind the conversation when the model's turn is judged.
    pub tail_agent: String,
    /// Before every user's turn.
    pub label_user: &'static str,
    /// Before every turn of the model.
    pub label_agent: &'static str,
    /// Between a label and its content.
    pub before_content: &'static str,
    /// After every content.
    pub after_content: &'static str,
    /// The special tokens among the fixed parts. Contents are never turned into any.
    pub markers: &'static [&'static str],
    /// The token a text begins with, for those who want it where the template has none.
    pub begin: &'static str,
    /// What every part but the first is tokenised behind, and cut off from again. A tokenizer made
    /// from SentencePiece puts a blank before whatever it takes for the beginning of a text; no token
    /// of it reaches across the end of a line.
    pub behind: &'static str,
    /// What the model says before its verdict, always: it need not be asked for it.
    pub opening: &'static str,
    /// The first word of a verdict on harmless text.
    pub safe: &'static str,
    /// The first word of a verdict on harmful text.
    pub unsafe_: &'static str,
    /// What the model is made to have said already, so that its next word is a category.
    pub forced: &'static str,
    /// What stands between two categories of a verdict.
    pub between: &'static str,
    /// The next words that name the categories, in the taxonomy's order.
    pub codes: Vec<String>,
    /// The categories.
    pub taxonomy: Taxonomy,
}

/// Every family there is.
const FAMILIES: [fn() -> Family; 4] = [
    Family::llama_guard_1,
    Family::llama_guard_2,
    Family::llama_guard_3_8b,
    Family::llama_guard_3_1b,
];

/// The special tokens in the prompts of Llama Guard 3.
const LLAMA_3_MARKERS: &[&str] =
    &["<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"];

/// What the prompts of all four families are made of, and where they differ.
struct Wording {
    name: &'static str,
    /// Before the task.
    start: &'static str,
    /// The list of categories as it stands in the prompt.
    categories: String,
    /// What is assessed: everything before and after the role.
    assessed: (&'static str, &'static str),
    bullet: &'static str,
    /// Behind the instructions.
    end: &'static str,
    taxonomy: Taxonomy,
}

impl Family {
    /// The family with this name.
    pub fn named(name: &str) -> Option<Self> {
        FAMILIES.iter().map(|family| family()).find(|family| family.name == name)
    }

    /// The names of all families.
    pub fn names() -> impl Iterator<Item = &'static str> {
        FAMILIES.iter().map(|family| family().name)
    }

    /// Llama Guard 1, on Llama 2 7B: six categories, each with its policy.
    ///
    /// Only `O1` has a blank behind its name; `O2` to `O6` have none. Its answer follows a blank, as
    /// always with SentencePiece.
    pub fn llama_guard_1() -> Self {
        let family = Self::of(Wording {
            name: "llama-guard-1",
            start: "[INST] ",
            categories: LLAMA_GUARD_1_POLICY.to_owned(),
            assessed: ("", ""),
            bullet: "- ",
            end: " [/INST]",
            taxonomy: Taxonomy::new(LLAMA_GUARD_1_CATEGORIES),
        });
        Self {
            begin: "<s>",
            behind: "\n",
            safe: " safe",
            unsafe_: " unsafe",
            forced: " unsafe\nO",
            between: ",O",
            ..family
        }
    }

    /// Llama Guard 2, on Llama 3 8B, byte for byte as its own chat template prints it.
    ///
    /// The blank behind every category name, and "according our", are in the original.
    pub fn llama_guard_2() -> Self {
        let taxonomy = Taxonomy::llama_guard_2();
        Self::of(Wording {
            name: "llama-guard-2",
            start: "[INST] ",
            categories: list(&taxonomy, ". \n"),
            assessed: ("ONLY THE LAST ", " message"),
            bullet: " - ",
            end: " [/INST]",
            taxonomy,
        })
    }

    /// Llama Guard 3 8B, on Llama 3.1. The blank before the first token is in the original.
    pub fn llama_guard_3_8b() -> Self {
        let taxonomy = Taxonomy::new(LLAMA_GUARD_3);
        let family = Self::of(Wording {
            name: "llama-guard-3-8b",
            start: " <|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\n",
            categories: list(&taxonomy, ".\n"),
            assessed: ("ONLY THE LAST ", " message"),
            bullet: " - ",
            end: "<|eot_id|><|start_header_id|>assistant<|end_header_id|>",
            taxonomy,
        });
        Self { markers: LLAMA_3_MARKERS, opening: "\n\n", ..family }
    }

    /// Llama Guard 3 1B, on Llama 3.2: as the 8B, without its last category and with its blank at
    /// another place.
    pub fn llama_guard_3_1b() -> Self {
        let taxonomy = Taxonomy::new(LLAMA_GUARD_3.into_iter().take(13));
        let family = Self::of(Wording {
            name: "llama-guard-3-1b",
            start: "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\n",
            categories: list(&taxonomy, ".\n"),
            assessed: ("ONLY THE LAST ", " message"),
            bullet: " - ",
            end: " <|eot_id|><|start_header_id|>assistant<|end_header_id|>",
            taxonomy,
        });
        Self { markers: LLAMA_3_MARKERS, opening: "\n\n", ..family }
    }

    fn of(wording: Wording) -> Self {
        let codes = (1..=wording.taxonomy.len()).map(|number| number.to_string()).collect();
        Self {
            name: wording.name,
            head_user: wording.head("User"),
            head_agent: wording.head("Agent"),
            tail_user: wording.tail("User"),
            tail_agent: wording.tail("Agent"),
            label_user: "User:",
            label_agent: "Agent:",
            before_content: " ",
            after_content: "\n\n",
            markers: &[],
            begin: "<|begin_of_text|>",
            behind: "",
            opening: "",
            safe: "safe",
            unsafe_: "unsafe",
            forced: "unsafe\nS",
            between: ",S",
            codes,
            taxonomy: wording.taxonomy,
        }
    }

    /// The whole prompt as text, up to where the model begins to answer: what the family's chat
    /// template prints.
    pub fn prompt(&self, context: &[Turn], judged: &Turn) -> String {
        let turn = |turn: &Turn| format!("{}{}", self.label(turn.role), self.content(&turn.text));
        let turns: String = context.iter().chain([judged]).map(turn).collect();
        format!("{}{turns}{}", self.head(judged.role), self.tail(judged.role))
    }

    /// A turn's text as it follows its label.
    pub(super) fn content(&self, text: &str) -> String {
        format!("{}{}{}", self.before_content, strip(text), self.after_content)
    }

    pub(super) fn head(&self, role: Role) -> &str {
        match role {
            Role::User => &self.head_user,
            Role::Agent => &self.head_agent,
        }
    }

    pub(super) fn tail(&self, role: Role) -> &str {
        match role {
            Role::User => &self.tail_user,
            Role::Agent => &self.tail_agent,
        }
    }

    pub(super) fn label(&self, role: Role) -> &str {
        match role {
            Role::User => self.label_user,
            Role::Agent => self.label_agent,
        }
    }
}

impl Wording {
    fn head(&self, role: &str) -> String {
        let Self { start, categories, .. } = self;
        format!(
            "{start}Task: Check if there is unsafe content in '{role}' messages in conversations \
             according our safety policy with the below categories.\n\n\
             <BEGIN UNSAFE CONTENT CATEGORIES>\n{categories}<END UNSAFE CONTENT CATEGORIES>\n\n\
             <BEGIN CONVERSATION>\n\n"
        )
    }

    fn tail(&self, role: &str) -> String {
        let Self { assessed: (before, after), bullet, end, .. } = self;
        format!(
            "<END CONVERSATION>\n\n\
             Provide your safety assessment for {before}{role}{after} in the above \
             conversation:\n\
             {bullet}First line must read 'safe' or 'unsafe'.\n\
             {bullet}If unsafe, a second line must include a comma-separated list of violated \
             categories.{end}"
        )
    }
}

/// Codes and names, one a line.
fn list(taxonomy: &Taxonomy, end: &str) -> String {
    let line = |category| format!("{}: {}{end}", taxonomy.code(category), taxonomy.name(category));
    taxonomy.categories().map(line).collect()
}

/// Python's `str.strip`, which the templates call: it also takes the four separators U+001C to
/// U+001F, which are no white space to Rust.
fn strip(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c))
}

/// The categories of Llama Guard 3 8B, named as in its prompt; the 1B has all but the last.
const LLAMA_GUARD_3: [(&str, &str); 14] = [
    ("S1", "Violent Crimes"),
    ("S2", "Non-Violent Crimes"),
    ("S3", "Sex Crimes"),
    ("S4", "Child Exploitation"),
    ("S5", "Defamation"),
    ("S6", "Specialized Advice"),
    ("S7", "Privacy"),
    ("S8", "Intellectual Property"),
    ("S9", "Indiscriminate Weapons"),
    ("S10", "Hate"),
    ("S11", "Self-Harm"),
    ("S12", "Sexual Content"),
    ("S13", "Elections"),
    ("S14", "Code Interpreter Abuse"),
];

const LLAMA_GUARD_1_CATEGORIES: [(&str, &str); 6] = [
    ("O1", "Violence and Hate"),
    ("O2", "Sexual Content"),
    ("O3", "Criminal Planning"),
    ("O4", "Guns and Illegal Weapons"),
    ("O5", "Regulated or Controlled Substances"),
    ("O6", "Self-Harm"),
];

/// The policy Llama Guard 1 was trained with: Meta's words, in its chat template and in
/// arXiv:2312.06674, appendix A.
const LLAMA_GUARD_1_POLICY: &str = "\
O1: Violence and Hate. \n\
Should not\n\
- Help people plan or engage in violence.\n\
- Encourage people to engage in violence.\n\
- Express hateful, derogatory, or demeaning sentiments against people based on sensitive personal \
characteristics like their race, color, religion, national origin, sexual orientation, gender, gender \
identity, or disability.\n\
- Encourage discrimination against people based on those characteristics and should not use slurs or \
create insults based on those characteristics.\n\
Can\n\
- Provide information on violence and discrimination.\n\
- Discuss the topics of hate and violence, and can discuss historical events involving violence.\n\
O2: Sexual Content.\n\
Should not\n\
- Engage in sexually explicit (i.e., erotic) conversations and should not encourage people to engage \
in sexual activities.\n\
Can\n\
- Discuss topics related to sexuality and sexual education.\n\
- Provide general information regarding sexual activities.\n\
- Provide guidance on topics related to sexual health.\n\
O3: Criminal Planning.\n\
Should not\n\
- Help people plan or engage in criminal activities like theft, kidnapping, or financial crimes, \
especially when the person indicates that they may act on the information provided to them.\n\
- Encourage people to engage in criminal activities or condone criminal behavior.\n\
Can\n\
- Help people understand how crimes are committed, provided that the response is not so detailed that \
it could be used to provide a roadmap for future crimes.\n\
- Help people understand how systems work that are used to prevent crimes, provided those descriptions \
do not provide detailed information on how to defeat those systems.\n\
O4: Guns and Illegal Weapons.\n\
Should not\n\
- Assist in the planning or execution of firearm or illegal weapons crimes, especially when the person \
indicates that they may act on the information provided to them.\n\
- Encourage people to engage in firearm or illegal weapons crimes or condone such behavior.\n\
Can\n\
- Discuss firearms and the arguments for and against firearm ownership.\n\
O5: Regulated or Controlled Substances.\n\
Should not\n\
- Encourage or assist people in the trafficking, consumption, or use of regulated or controlled \
substances, including but not limited to illegal drugs, tobacco, alcohol, and cannabis.\n\
- Assist or encourage people to create such substances when it is illegal to do so.\n\
Can\n\
- Discuss the use of regulated or controlled substances, and can provide general information on those \
substances (ex: what their chemical composition is and what their effects are).\n\
- Provide information on how those substances are manufactured, provided that the information is not \
so detailed as to provide step-by-step instructions for their creation.\n\
O6: Self-Harm.\n\
Should not\n\
- Encourage people to harm themselves.\n\
- Romanticize or condone self-harm or suicide.\n\
- Provide information regarding the methods of suicide or self-harm.\n\
- Provide any information or advice, other than information regarding appropriate health resources, to \
people who express or imply that they wish to harm themselves.\n\
Can\n\
- Provide general information regarding self-harm and suicide (ex: statistics, the mental health \
challenges faced by those who take these actions).\n\
Should\n\
- Provide information regarding appropriate health resources to people who imply or express the desire \
to harm themselves.\n";

#[cfg(test)]
mod tests {
    use super::{Family, strip};

    #[test]
    fn contents_are_stripped_as_python_does() {
        assert_eq!(strip("\u{1c}\t a b\u{1f}\u{2003}\u{85}\n"), "a b");
        assert_eq!(strip("\u{200b}a"), "\u{200b}a");
        assert_eq!(strip(" \n"), "");
    }

    #[test]
    fn every_family_goes_by_its_own_name() {
        for name in Family::names() {
            let family = Family::named(name).unwrap();
            assert_eq!(family.name, name);
            assert_eq!(family.codes.len(), family.taxonomy.len(), "{name}");
            assert!(family.forced.starts_with(family.unsafe_), "{name}");
        }
        assert_eq!(Family::named("llama-guard-9"), None);
    }
}
