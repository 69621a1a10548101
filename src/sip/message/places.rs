//! Where the parts of the headers that everybody reads stand: the check of a message
//! has read them, and nobody needs to do so again.

use super::uri::Scheme;
use super::{NameAddr, Span, Uri, Via};

/// Places in one message. Empty where the check has not come so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Places {
    /// Request-URI.
    pub(super) uri: Option<UriPlaces>,
    /// Topmost Via.
    pub(super) via: Option<ViaPlaces>,
    /// From.
    pub(super) from: Option<AddressPlaces>,
    /// To.
    pub(super) to: Option<AddressPlaces>,
}

/// Parts of a [`Uri`].
#[derive(Clone, Copy, Debug)]
pub(super) struct UriPlaces {
    scheme: Scheme,
    user: Span,
    host: Span,
    port: Option<u16>,
    params: Span,
    headers: Span,
}

impl UriPlaces {
    pub(super) fn of(uri: &Uri<'_>, buffer: &[u8]) -> Self {
        let at = |part: &[u8]| Span::of_part(part, buffer);
        Self {
            scheme: uri.scheme,
            user: at(uri.user),
            host: at(uri.host),
            port: uri.port,
            params: at(uri.params),
            headers: at(uri.headers),
        }
    }

    pub(super) fn read(self, buffer: &[u8]) -> Uri<'_> {
        Uri {
            scheme: self.scheme,
            user: self.user.of(buffer),
            host: self.host.of(buffer),
            port: self.port,
            params: self.params.of(buffer),
            headers: self.headers.of(buffer),
        }
    }
}

/// Parts of a [`Via`], and the whole value.
#[derive(Clone, Copy, Debug)]
pub(super) struct ViaPlaces {
    value: Span,
    transport: Span,
    host: Span,
    port: Option<u16>,
    sent_by: Span,
    params: Span,
    branch: Span,
}

impl ViaPlaces {
    pub(super) fn of(via: &Via<'_>, value: &[u8], buffer: &[u8]) -> Self {
        let at = |part: &[u8]| Span::of_part(part, buffer);
        Self {
            value: at(value),
            transport: at(via.transport),
            host: at(via.host),
            port: via.port,
            sent_by: at(via.sent_by),
            params: at(via.params),
            branch: at(via.branch()),
        }
    }

    pub(super) fn read(self, buffer: &[u8]) -> Via<'_> {
        Via {
            transport: self.transport.of(buffer),
            host: self.host.of(buffer),
            port: self.port,
            sent_by: self.sent_by.of(buffer),
            params: self.params.of(buffer),
        }
    }

    pub(super) fn value(self, buffer: &[u8]) -> &[u8] {
        self.value.of(buffer)
    }

    pub(super) fn branch(self, buffer: &[u8]) -> &[u8] {
        self.branch.of(buffer)
    }
}

/// Parts of a [`NameAddr`], and its tag.
#[derive(Clone, Copy, Debug)]
pub(super) struct AddressPlaces {
    display: Span,
    uri: Span,
    params: Span,
    tag: Span,
}

impl AddressPlaces {
    pub(super) fn of(address: &NameAddr<'_>, tag: &[u8], buffer: &[u8]) -> Self {
        let at = |part: &[u8]| Span::of_part(part, buffer);
        Self {
            display: at(address.display),
            uri: at(address.uri),
            params: at(address.params),
            tag: at(tag),
        }
    }

    pub(super) fn read(self, buffer: &[u8]) -> NameAddr<'_> {
        NameAddr {
            display: self.display.of(buffer),
            uri: self.uri.of(buffer),
            params: self.params.of(buffer),
        }
    }

    pub(super) fn tag(self, buffer: &[u8]) -> &[u8] {
        self.tag.of(buffer)
    }
}
