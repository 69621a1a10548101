//! Why a request is refused.

use super::tlib::ErrorCode;
use std::borrow::Cow;

/// A request that is refused: EventError's code, and its text for people.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct Refusal {
    /// What programs look at.
    pub code: ErrorCode,
    /// What people read.
    pub text: Cow<'static, str>,
}

impl Refusal {
    /// A refusal.
    pub fn new(code: ErrorCode, text: impl Into<Cow<'static, str>>) -> Self {
        Self { code, text: text.into() }
    }

    /// An attribute that must be there is not, or makes no sense.
    #[must_use]
    pub fn attribute(name: &'static str) -> Self {
        let text = format!("Attribute{name} is missing or has no valid value");
        Self::new(ErrorCode::ErrorInvalidAttribute, text)
    }
}

/// The name that an attribute of a request has.
///
/// # Errors
/// When the attribute is missing or empty.
pub fn named<'a>(value: Option<&'a str>, attribute: &'static str) -> Result<&'a str, Refusal> {
    value.filter(|name| !name.is_empty()).ok_or_else(|| Refusal::attribute(attribute))
}
