//! Header names: full, compact, and what they are called here.

macro_rules! header_names {
    ($( $(#[$doc:meta])* $variant:ident = $name:literal $(, $compact:literal)? ; )*) => {
        /// A header field that this stack looks at; all others are
        /// [`HeaderId::Other`] and pass unread.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum HeaderId {
            $( $(#[$doc])* $variant, )*
            /// A header that is not known here.
            Other,
        }

        impl HeaderId {
            /// The full name as it is written.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $( Self::$variant => $name, )*
                    Self::Other => "",
                }
            }

            /// Every header with a name, in the order of its number.
            const KNOWN: &'static [Self] = &[ $( Self::$variant, )* ];

            fn compact(letter: u8) -> Self {
                match letter {
                    $( $( $compact => Self::$variant, )? )*
                    _ => Self::Other,
                }
            }
        }
    };
}

header_names! {
    /// RFC 3261 20.42.
    Via = "Via", b'v';
    /// RFC 3261 20.20.
    From = "From", b'f';
    /// RFC 3261 20.39.
    To = "To", b't';
    /// RFC 3261 20.8.
    CallId = "Call-ID", b'i';
    /// RFC 3261 20.16.
    CSeq = "CSeq";
    /// RFC 3261 20.10.
    Contact = "Contact", b'm';
    /// RFC 3261 20.22.
    MaxForwards = "Max-Forwards";
    /// RFC 3261 20.34.
    Route = "Route";
    /// RFC 3261 20.30.
    RecordRoute = "Record-Route";
    /// RFC 3261 20.14.
    ContentLength = "Content-Length", b'l';
    /// RFC 3261 20.15.
    ContentType = "Content-Type", b'c';
    /// RFC 3261 20.12.
    ContentEncoding = "Content-Encoding", b'e';
    /// RFC 3261 20.19.
    Expires = "Expires";
    /// RFC 3261 20.23.
    MinExpires = "Min-Expires";
    /// RFC 3261 20.7.
    Authorization = "Authorization";
    /// RFC 3261 20.28.
    ProxyAuthorization = "Proxy-Authorization";
    /// RFC 3261 20.44.
    WwwAuthenticate = "WWW-Authenticate";
    /// RFC 3261 20.27.
    ProxyAuthenticate = "Proxy-Authenticate";
    /// RFC 3261 20.32.
    Require = "Require";
    /// RFC 3261 20.29.
    ProxyRequire = "Proxy-Require";
    /// RFC 3261 20.37.
    Supported = "Supported", b'k';
    /// RFC 3261 20.40.
    Unsupported = "Unsupported";
    /// RFC 3261 20.5.
    Allow = "Allow";
    /// RFC 3261 20.1.
    Accept = "Accept";
    /// RFC 6665 8.2.1.
    Event = "Event", b'o';
    /// RFC 3261 20.41.
    UserAgent = "User-Agent";
    /// RFC 3261 20.35.
    Server = "Server";
    /// RFC 3326.
    Reason = "Reason";
    /// RFC 3261 20.33.
    RetryAfter = "Retry-After";
    /// RFC 3891.
    Replaces = "Replaces";
    /// RFC 3911.
    Join = "Join";
    /// RFC 3515.
    ReferTo = "Refer-To", b'r';
    /// RFC 3892.
    ReferredBy = "Referred-By", b'b';
    /// RFC 3262 7.1.
    RSeq = "RSeq";
    /// RFC 3262 7.2.
    RAck = "RAck";
    /// RFC 4028 4.
    SessionExpires = "Session-Expires", b'x';
    /// RFC 4028 5.
    MinSe = "Min-SE";
    /// RFC 3327.
    Path = "Path";
    /// RFC 3261 20.17.
    Date = "Date";
    /// RFC 3261 20.36.
    Subject = "Subject", b's';
    /// RFC 3261 20.43.
    Warning = "Warning";
    /// RFC 6086 10.
    InfoPackage = "Info-Package";
    /// RFC 3261 20.11.
    ContentDisposition = "Content-Disposition";
    /// RFC 3325.
    PAssertedIdentity = "P-Asserted-Identity";
    /// Cluster elements only: next hop of a request from a node, sealed.
    XGenesysRoute = "X-Genesys-Route";
    /// Cluster elements only: the data centre of a request.
    XGenesysGeoLocation = "X-Genesys-geo-location";
    /// Cluster elements only: role of an application that answers OPTIONS.
    XSipclusterRole = "X-Sipcluster-Role";
    /// Cluster elements only: where a proxy got a request from.
    XSipclusterSource = "X-Sipcluster-Source";
    /// Cluster elements only: another node was asked before, and has not taken the request.
    XSipclusterFurther = "X-Sipcluster-Further";
    /// Cluster elements only: the node that owns the DN of a REGISTER which another one has
    /// accepted.
    XSipclusterOwner = "X-Sipcluster-Owner";
}

/// Headers by [`place_of`] their names.
const BY_NAME: [HeaderId; 256] = {
    let mut table = [HeaderId::Other; 256];
    let mut at = 0;
    while at < HeaderId::KNOWN.len() {
        let header = HeaderId::KNOWN[at];
        let place = place_of(header.name().as_bytes());
        assert!(matches!(table[place], HeaderId::Other), "two names at one place: other factors");
        table[place] = header;
        at += 1;
    }
    table
};

/// A place that no two known names share: by length, first and last letter in any case.
const fn place_of(name: &[u8]) -> usize {
    let [first, .., last] = name else { return 0 };
    (name.len() + 2 * (*first | 0x20) as usize + 11 * (*last | 0x20) as usize) % 256
}

impl HeaderId {
    /// Reads a name in either form, in any case.
    #[must_use]
    pub fn from_name(name: &[u8]) -> Self {
        match name {
            [letter] => Self::compact(letter.to_ascii_lowercase()),
            _ => {
                let found = BY_NAME[place_of(name)];
                let known = found.name().as_bytes();
                // Written as the RFCs write it, as a rule.
                if known == name || known.eq_ignore_ascii_case(name) { found } else { Self::Other }
            }
        }
    }

    /// Whether the header belongs to the cluster's inside and must neither come
    /// from nor go to the outside.
    #[must_use]
    pub const fn is_internal(self) -> bool {
        matches!(
            self,
            Self::XGenesysRoute
                | Self::XGenesysGeoLocation
                | Self::XSipclusterRole
                | Self::XSipclusterSource
                | Self::XSipclusterFurther
                | Self::XSipclusterOwner
        )
    }

    /// Whether a message may carry it once only (RFC 3261 7.3.1).
    #[must_use]
    pub const fn is_single(self) -> bool {
        matches!(
            self,
            Self::From
                | Self::To
                | Self::CallId
                | Self::CSeq
                | Self::MaxForwards
                | Self::ContentLength
                | Self::ContentType
                | Self::Expires
                | Self::MinExpires
                | Self::Event
                | Self::Replaces
                | Self::Join
                | Self::ReferTo
                | Self::RSeq
                | Self::RAck
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_in_either_form_and_any_case() {
        assert_eq!(HeaderId::from_name(b"v"), HeaderId::Via);
        assert_eq!(HeaderId::from_name(b"VIA"), HeaderId::Via);
        assert_eq!(HeaderId::from_name(b"call-id"), HeaderId::CallId);
        assert_eq!(HeaderId::from_name(b"I"), HeaderId::CallId);
        assert_eq!(HeaderId::from_name(b"X-genesys-ROUTE"), HeaderId::XGenesysRoute);
        assert_eq!(HeaderId::from_name(b"Vias"), HeaderId::Other);
        assert_eq!(HeaderId::from_name(b"z"), HeaderId::Other);
        assert_eq!(HeaderId::from_name(b""), HeaderId::Other);
        for header in HeaderId::KNOWN {
            assert_eq!(HeaderId::from_name(header.name().to_uppercase().as_bytes()), *header);
        }
    }
}
