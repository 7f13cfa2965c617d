//! The policies that ship, and which of them a guard can be under.

use crate::policy::compile::compile;
use crate::taxonomy::Taxonomy;

/// The policies that ship, by name: written in the categories of Llama Guard 2.
pub const SHIPPED: &[(&str, &str)] = &[
    ("default", include_str!("../../policies/default.toml")),
    ("strict", include_str!("../../policies/strict.toml")),
    ("permissive", include_str!("../../policies/permissive.toml")),
    ("observe", include_str!("../../policies/observe.toml")),
    ("privacy", include_str!("../../policies/privacy.toml")),
];

/// The shipped policies that mean to a guard with these categories what they say.
///
/// A code is another category to another guard: `S5` is specialized advice to Llama Guard 2 and
/// defamation to Llama Guard 3. So a policy that names any is offered only to the guards it was
/// written for; one that names none, to all.
pub fn shipped(taxonomy: &Taxonomy) -> impl Iterator<Item = (&'static str, &'static str)> {
    let own = *taxonomy == Taxonomy::llama_guard_2();
    let none = Taxonomy::new::<&str, &str>([]);
    SHIPPED
        .iter()
        .copied()
        .filter(move |(name, source)| own || compile(source, name, &none).is_ok())
}

#[cfg(test)]
mod tests {
    use super::{SHIPPED, shipped};
    use crate::taxonomy::Taxonomy;

    #[test]
    fn a_policy_that_names_categories_is_for_the_guards_that_have_them() {
        let names =
            |taxonomy: &Taxonomy| shipped(taxonomy).map(|(name, _)| name).collect::<Vec<_>>();
        assert_eq!(names(&Taxonomy::llama_guard_2()).len(), SHIPPED.len());
        assert_eq!(
            names(&Taxonomy::new([("S1", "Violent Crimes")])),
            ["default", "observe", "privacy"]
        );
    }
}
