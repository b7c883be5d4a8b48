//! What a shell wrote, as far as it is kept for windows that are opened later.

use std::collections::VecDeque;

/// Bytes that are kept: some ten thousand lines.
const KEPT: usize = 1024 * 1024;

/// The last bytes of a terminal's output, cut at the beginning of a line.
#[derive(Debug, Default)]
pub(super) struct Scrollback(VecDeque<u8>);

impl Scrollback {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.0.extend(bytes);
        if self.0.len() > KEPT {
            let surplus = self.0.len() - KEPT;
            // A sequence or character cut in two would garble what follows; lines seldom begin inside one.
            let line = self.0.iter().skip(surplus).position(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            self.0.drain(..surplus + line);
        }
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        self.0.iter().copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_are_kept_whole() {
        let mut scrollback = Scrollback::default();
        for number in 0..200_000 {
            scrollback.push(format!("line {number}\n").as_bytes());
        }
        let text = String::from_utf8(scrollback.bytes()).unwrap();
        assert!(text.len() <= KEPT && text.len() > KEPT - 100, "{}", text.len());
        assert!(text.starts_with("line ") && text.ends_with("line 199999\n"));
    }
}
