//! Numbers and addresses as short texts on the stack: what every forwarded message
//! is written from, without the machinery of formatting.

use core::fmt::Write as _;
use core::net::{IpAddr, SocketAddr};
use smallvec::SmallVec;

/// A short text.
pub type Short = SmallVec<[u8; 48]>;

const HEX: &[u8; 16] = b"0123456789abcdef";

/// A number in decimal digits.
#[must_use]
pub fn decimal(value: u64) -> Short {
    let mut text = Short::new();
    push_decimal(&mut text, value);
    text
}

fn push_decimal(text: &mut Short, mut value: u64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            break;
        }
    }
    text.extend_from_slice(&digits[at..]);
}

/// Bytes in lower-case hexadecimal digits.
#[must_use]
pub fn hex(bytes: &[u8]) -> Short {
    let mut text = Short::new();
    for byte in bytes {
        let digits = [HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]];
        text.extend_from_slice(&digits);
    }
    text
}

/// An IP address, one of version 6 without brackets.
#[must_use]
pub fn ip(address: IpAddr) -> Short {
    let mut text = Short::new();
    push_ip(&mut text, address);
    text
}

fn push_ip(text: &mut Short, address: IpAddr) {
    match address {
        IpAddr::V4(address) => {
            for (index, part) in address.octets().into_iter().enumerate() {
                if index > 0 {
                    text.push(b'.');
                }
                push_decimal(text, u64::from(part));
            }
        }
        IpAddr::V6(address) => {
            let _ = write!(Formatted(text), "{address}");
        }
    }
}

/// Address and port, as in `192.0.2.1:5060` and `[2001:db8::1]:5060`.
#[must_use]
pub fn socket(address: SocketAddr) -> Short {
    let mut text = Short::new();
    match address {
        SocketAddr::V4(_) => push_ip(&mut text, address.ip()),
        SocketAddr::V6(_) => {
            text.push(b'[');
            push_ip(&mut text, address.ip());
            text.push(b']');
        }
    }
    text.push(b':');
    push_decimal(&mut text, u64::from(address.port()));
    text
}

struct Formatted<'t>(&'t mut Short);

impl core::fmt::Write for Formatted<'_> {
    fn write_str(&mut self, part: &str) -> core::fmt::Result {
        self.0.extend_from_slice(part.as_bytes());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_ends_of_the_ranges() {
        assert_eq!(&*decimal(0), b"0");
        assert_eq!(&*decimal(u64::MAX), u64::MAX.to_string().as_bytes());
        assert_eq!(&*hex(&[]), b"");
        let longest = SocketAddr::new([0xffff; 8].into(), u16::MAX);
        assert_eq!(&*socket(longest), longest.to_string().as_bytes());
    }

    proptest! {
        #[test]
        fn texts_are_those_of_the_formatter(
            number: u64,
            bytes in proptest::collection::vec(any::<u8>(), 0..40),
            address: IpAddr,
            port: u16,
        ) {
            prop_assert_eq!(decimal(number).to_vec(), number.to_string().into_bytes());
            let expected: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            prop_assert_eq!(hex(&bytes).to_vec(), expected.into_bytes());
            prop_assert_eq!(ip(address).to_vec(), address.to_string().into_bytes());
            let address = SocketAddr::new(address, port);
            prop_assert_eq!(socket(address).to_vec(), address.to_string().into_bytes());
        }
    }
}
