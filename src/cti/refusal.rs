//! Why a request is refused.

use super::tlib::{AddressInfoType, Attributes, ErrorCode};
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

/// What a TQueryAddress asks for, where these are known.
///
/// # Errors
/// When it asks for something else.
pub fn asked_for(given: &Attributes, known: &[AddressInfoType]) -> Result<i32, Refusal> {
    let asked = given.address_info_type.unwrap_or_default();
    match AddressInfoType::try_from(asked) {
        Ok(kind) if known.contains(&kind) => Ok(asked),
        Ok(other) => {
            let text = format!("{} cannot be asked here", other.as_str_name());
            Err(Refusal::new(ErrorCode::ErrorUnsupportedOperation, text))
        }
        Err(_) => Err(Refusal::attribute("AddressInfoType")),
    }
}

/// The name that an attribute of a request has.
///
/// # Errors
/// When the attribute is missing or empty.
pub fn named<'a>(value: Option<&'a str>, attribute: &'static str) -> Result<&'a str, Refusal> {
    value.filter(|name| !name.is_empty()).ok_or_else(|| Refusal::attribute(attribute))
}
