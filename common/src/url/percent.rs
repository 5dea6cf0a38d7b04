//! Signs that a URL spells as `%XX`.

/// A part of a URL with `%XX` as the signs that they stand for.
pub(super) fn decoded(text: &str) -> Result<String, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, behind @ ..] = rest {
        let code = behind.get(..2).filter(|_| *first == b'%').and_then(|code| {
            // A sign before the digits would be read too.
            let code = code.iter().all(u8::is_ascii_hexdigit).then_some(code)?;
            u8::from_str_radix(std::str::from_utf8(code).ok()?, 16).ok()
        });
        bytes.push(code.unwrap_or(*first));
        rest = if code.is_some() { &behind[2..] } else { behind };
    }
    match String::from_utf8(bytes) {
        Ok(text) if text.contains(char::is_control) => {
            Err("a control character, as `%0A`, is in no name of a file here".to_owned())
        }
        Ok(text) => Ok(text),
        Err(_) => Err("what its `%` stand for is no UTF-8".to_owned()),
    }
}
