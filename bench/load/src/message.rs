//! As much of HTTP and of WebSocket frames as the load needs.

/// The length of a head, the empty line included; `None`: more has to be read.
pub fn end_of_head(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|window| window == b"\r\n\r\n").map(|at| at + 4)
}

/// The status in an answer's head.
pub fn status(head: &[u8]) -> Option<u16> {
    std::str::from_utf8(head.get(9..12)?).ok()?.parse().ok()
}

/// What `Content-Length` says; 0 without one.
pub fn body_length(head: &[u8]) -> usize {
    let name = b"content-length:";
    let found = head.split(|byte| *byte == b'\n').find_map(|line| {
        let (start, rest) = line.split_at_checked(name.len())?;
        start.eq_ignore_ascii_case(name).then(|| std::str::from_utf8(rest).ok()?.trim().parse().ok())?
    });
    found.unwrap_or(0)
}

/// A frame of a server at the beginning of `bytes`: its first byte, where its payload begins and where it ends.
pub fn frame(bytes: &[u8]) -> Option<(u8, usize, usize)> {
    let (&first, &length) = (bytes.first()?, bytes.get(1)?);
    let (begin, length) = match length {
        126 => (4, usize::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?))),
        127 => (10, usize::try_from(u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?)).ok()?),
        length => (2, usize::from(length)),
    };
    (bytes.len() >= begin + length).then_some((first, begin, begin + length))
}

/// A frame as a client writes it, with a mask of zeros; `payload`: up to 125 bytes.
pub fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).unwrap_or(125) | 0x80;
    [&[first, length, 0, 0, 0, 0], payload].concat()
}

/// The mark in a published message: `~PP~NNNNNN~`, publisher and number.
pub fn mark(payload: &[u8]) -> Option<(usize, usize)> {
    let at = payload.iter().position(|byte| *byte == b'~')?;
    let number = |from: usize, to: usize| std::str::from_utf8(payload.get(at + from..at + to)?).ok()?.parse().ok();
    Some((number(1, 3)?, number(4, 10)?))
}
