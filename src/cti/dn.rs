//! How a DN is: in or out of service, and what is set at it. Its calls come to it as
//! facts, its agent is [`super::agent`].

use super::refusal::Refusal;
use super::tlib::{ErrorCode, ForwardMode, RegisterMode};

/// The state of a DN apart from its calls and its agent. Every DN of a phone begins
/// out of service; others are in service as long as they are configured.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dn {
    /// Whether it can be used.
    pub is_in_service: bool,
    /// Do not disturb.
    pub dnd: bool,
    /// Where its calls are forwarded to.
    pub forward: Option<(ForwardMode, String)>,
}

impl Dn {
    /// Puts it in or out of service and says whether that is news.
    pub fn set_in_service(&mut self, is_in_service: bool) -> bool {
        core::mem::replace(&mut self.is_in_service, is_in_service) != is_in_service
    }

    /// TSetDNDOn and TSetDNDOff.
    ///
    /// # Errors
    /// When it is so already.
    pub fn set_dnd(&mut self, dnd: bool) -> Result<(), Refusal> {
        if core::mem::replace(&mut self.dnd, dnd) == dnd {
            let text = if dnd { "DND is on already" } else { "DND is off already" };
            return Err(Refusal::new(ErrorCode::ErrorAlreadyInState, text));
        }
        Ok(())
    }

    /// TCallSetForward.
    ///
    /// # Errors
    /// When there is no destination, or the mode is none.
    pub fn set_forward(&mut self, mode: ForwardMode, to: &str) -> Result<(), Refusal> {
        if to.is_empty() {
            return Err(Refusal::attribute("OtherDN"));
        }
        if mode == ForwardMode::None {
            return Err(Refusal::attribute("ForwardMode"));
        }
        self.forward = Some((mode, to.to_owned()));
        Ok(())
    }

    /// TCallCancelForward: there is one forwarding of a DN, whatever its mode. Gives the
    /// mode that it had.
    ///
    /// # Errors
    /// When nothing is forwarded.
    pub fn cancel_forward(&mut self) -> Result<ForwardMode, Refusal> {
        match self.forward.take() {
            Some((mode, _)) => Ok(mode),
            None => Err(Refusal::new(ErrorCode::ErrorAlreadyInState, "nothing is forwarded")),
        }
    }
}

/// Whether a client cannot be registered for a DN in that mode, because others are.
#[must_use]
pub fn is_seized(mode: RegisterMode, mut others: impl Iterator<Item = RegisterMode>) -> bool {
    others.any(|other| match (mode, other) {
        (RegisterMode::Monitor, _) | (_, RegisterMode::Monitor) => false,
        (RegisterMode::Private, _) | (_, RegisterMode::Private) => true,
        (RegisterMode::Share, RegisterMode::Share) => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn service_is_news_once() {
        let mut dn = Dn::default();
        assert!(!dn.is_in_service && !dn.set_in_service(false));
        assert!(dn.set_in_service(true) && !dn.set_in_service(true) && dn.set_in_service(false));
    }

    #[test]
    fn what_is_so_already_is_refused() {
        let mut dn = Dn::default();
        let code = |result: Result<(), Refusal>| result.map_err(|refusal| refusal.code);
        let already = Err(ErrorCode::ErrorAlreadyInState);
        assert_eq!(code(dn.set_dnd(false)), already);
        assert_eq!(code(dn.set_dnd(true)), Ok(()));
        assert_eq!(code(dn.set_dnd(true)), already);
        assert!(dn.dnd);
        let cancelled = dn.cancel_forward().map_err(|refusal| refusal.code);
        assert_eq!(cancelled, Err(ErrorCode::ErrorAlreadyInState));
        let invalid = Err(ErrorCode::ErrorInvalidAttribute);
        assert_eq!(code(dn.set_forward(ForwardMode::Unconditional, "")), invalid);
        assert_eq!(code(dn.set_forward(ForwardMode::None, "7002")), invalid);
        assert_eq!(dn.forward, None);
        assert_eq!(code(dn.set_forward(ForwardMode::OnBusy, "7002")), Ok(()));
        assert_eq!(code(dn.set_forward(ForwardMode::OnBusy, "7003")), Ok(()), "changed");
        assert_eq!(dn.forward, Some((ForwardMode::OnBusy, "7003".to_owned())));
        assert_eq!(dn.cancel_forward(), Ok(ForwardMode::OnBusy));
    }
}
