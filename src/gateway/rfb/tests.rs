use rand::{RngExt, SeedableRng, rngs::StdRng};

use super::*;

const ALL: Rights = Rights { clipboard: true, input: true };
const NO_CLIPBOARD: Rights = Rights { clipboard: false, input: true };
const LOOK_ON: Rights = Rights { clipboard: true, input: false };

// What noVNC sends, as it stands on the wire.
const GREETING: &[u8] = b"RFB 003.008\n";
const CHOOSE_NONE: &[u8] = &[1];
const SHARE: &[u8] = &[1];
const PIXEL_FORMAT: &[u8] = &[0, 0, 0, 0, 32, 24, 0, 1, 0, 255, 0, 255, 0, 255, 0, 8, 16, 0, 0, 0];
// CopyRect, Tight, extended mouse buttons, extended clipboard
const ENCODINGS: &[u8] = &[2, 0, 0, 4, 0, 0, 0, 1, 0, 0, 0, 7, 0xff, 0xff, 0xfe, 0xc4, 0xc0, 0xa1, 0xe5, 0xce];
// What is left of them: Tight hides where the next message begins.
const ENCODINGS_WITHOUT_CLIPBOARD: &[u8] = &[2, 0, 0, 2, 0, 0, 0, 1, 0xff, 0xff, 0xfe, 0xc4];
const UPDATE_REQUEST: &[u8] = &[3, 1, 0, 0, 0, 0, 4, 0, 3, 0];
const KEY_A_DOWN: &[u8] = &[4, 1, 0, 0, 0, 0, 0, 0x61];
const POINTER: &[u8] = &[5, 0, 0, 10, 0, 20];
const POINTER_BACK_BUTTON: &[u8] = &[5, 0x80, 0, 10, 0, 20, 1];
const CUT_TEXT: &[u8] = &[6, 0, 0, 0, 0, 0, 0, 3, b'a', b'b', b'c'];
// length -4, flags: caps
const CLIPBOARD_CAPS: &[u8] = &[6, 0, 0, 0, 0xff, 0xff, 0xff, 0xf8, 0x1f, 0, 0, 1, 0, 0, 0, 0];
// length -4, flags: request text
const CLIPBOARD_REQUEST: &[u8] = &[6, 0, 0, 0, 0xff, 0xff, 0xff, 0xfc, 2, 0, 0, 1];
// length -4, flags: provide text (which comes compressed, here not at all)
const CLIPBOARD_PROVIDE: &[u8] = &[6, 0, 0, 0, 0xff, 0xff, 0xff, 0xfc, 0x10, 0, 0, 1];
// length -4, flags: notify text
const CLIPBOARD_NOTIFY: &[u8] = &[6, 0, 0, 0, 0xff, 0xff, 0xff, 0xfc, 8, 0, 0, 1];
const CONTINUOUS_UPDATES: &[u8] = &[150, 1, 0, 0, 0, 0, 4, 0, 3, 0];
const FENCE: &[u8] = &[248, 0, 0, 0, 0, 0, 0, 3, 2, 0xaa, 0xbb];
const XVP_SHUTDOWN: &[u8] = &[250, 0, 1, 2];
const DESKTOP_SIZE: &[u8] = &[251, 0, 5, 0, 3, 32, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5, 0, 3, 32, 0, 0, 0, 0];
const QEMU_KEY: &[u8] = &[255, 0, 0, 1, 0, 0, 0, 0x61, 0, 0, 0, 0x1e];
const QEMU_AUDIO_ON: &[u8] = &[255, 1, 0, 0];
const QEMU_AUDIO_FORMAT: &[u8] = &[255, 1, 0, 2, 3, 2, 0, 0, 0xac, 0x44];
const GII_EVENT: &[u8] = &[252, 0x80, 0, 2, 9, 9];
const GII_VERSION_LITTLE_ENDIAN: &[u8] = &[252, 0x01, 2, 0, 1, 0];

/// Messages that viewers send by themselves.
const BY_ITSELF: [&[u8]; 12] = [
    PIXEL_FORMAT,
    ENCODINGS,
    UPDATE_REQUEST,
    CLIPBOARD_CAPS,
    CLIPBOARD_REQUEST,
    CLIPBOARD_PROVIDE,
    CONTINUOUS_UPDATES,
    FENCE,
    DESKTOP_SIZE,
    QEMU_AUDIO_ON,
    QEMU_AUDIO_FORMAT,
    GII_VERSION_LITTLE_ENDIAN,
];
/// Messages that a person causes.
const BY_A_PERSON: [&[u8]; 8] =
    [KEY_A_DOWN, POINTER, POINTER_BACK_BUTTON, CUT_TEXT, CLIPBOARD_NOTIFY, XVP_SHUTDOWN, QEMU_KEY, GII_EVENT];

/// A conversation past its handshake and the viewer's first words.
fn connected(rights: Rights) -> Rfb {
    let mut rfb = Rfb::new(rights);
    assert_eq!(rfb.pass_down(Bytes::from_static(b"RFB 003.008\n\x01\x01")).unwrap(), &b"RFB 003.008\n\x01\x01"[..]);
    let mut out = BytesMut::new();
    for part in [GREETING, CHOOSE_NONE, SHARE, PIXEL_FORMAT, ENCODINGS] {
        assert_eq!(rfb.pass_up(part, &mut out), Ok(0));
    }
    rfb
}

/// What the server gets of `bytes`, and how often the person did something.
fn say(rfb: &mut Rfb, bytes: &[u8]) -> Result<(Vec<u8>, u64), RfbError> {
    let mut out = BytesMut::new();
    let inputs = rfb.pass_up(bytes, &mut out)?;
    Ok((out.to_vec(), inputs))
}

#[test]
fn keys_pointer_and_clipboard_count_and_what_viewers_say_by_themselves_does_not() {
    let mut rfb = connected(ALL);
    for message in BY_ITSELF {
        assert_eq!(say(&mut rfb, message), Ok((message.to_vec(), 0)), "{message:?}");
    }
    for message in BY_A_PERSON {
        assert_eq!(say(&mut rfb, message), Ok((message.to_vec(), 1)), "{message:?}");
    }
}

#[test]
fn wherever_the_bytes_are_cut_the_count_and_what_arrives_are_the_same() {
    let seed = rand::random();
    println!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    for round in 0..500 {
        let rights = [ALL, NO_CLIPBOARD, LOOK_ON][round % 3];
        let all: Vec<&[u8]> = BY_ITSELF.into_iter().chain(BY_A_PERSON).collect();
        let stream: Vec<u8> = (0..20).flat_map(|_| all[random.random_range(0..all.len())].to_vec()).collect();
        let whole = say(&mut connected(rights), &stream).unwrap();
        let (mut rfb, mut rest) = (connected(rights), &stream[..]);
        let (mut arrived, mut counted) = (Vec::new(), 0);
        while !rest.is_empty() {
            let (now, later) = rest.split_at(random.random_range(1..=rest.len().min(30)));
            let (bytes, inputs) = say(&mut rfb, now).unwrap();
            arrived.extend(bytes);
            counted += inputs;
            rest = later;
        }
        assert_eq!((arrived, counted), whole);
    }
}

#[test]
fn without_the_clipboard_right_no_clipboard_message_arrives_and_none_counts() {
    let mut rfb = connected(NO_CLIPBOARD);
    for message in [CUT_TEXT, CLIPBOARD_NOTIFY, CLIPBOARD_CAPS] {
        assert_eq!(say(&mut rfb, message), Ok((vec![], 0)), "{message:?}");
    }
    assert_eq!(say(&mut rfb, ENCODINGS), Ok((ENCODINGS_WITHOUT_CLIPBOARD.to_vec(), 0)));
    assert_eq!(say(&mut rfb, KEY_A_DOWN), Ok((KEY_A_DOWN.to_vec(), 1)));
}

#[test]
fn one_who_only_looks_on_asks_for_updates_and_changes_nothing() {
    let mut rfb = connected(LOOK_ON);
    for message in BY_A_PERSON.into_iter().chain([DESKTOP_SIZE]) {
        assert_eq!(say(&mut rfb, message), Ok((vec![], 0)), "{message:?}");
    }
    assert_eq!(say(&mut rfb, UPDATE_REQUEST), Ok((UPDATE_REQUEST.to_vec(), 0)));
}

#[test]
fn the_nine_button_pointer_is_longer_only_for_a_viewer_that_said_it_knows_it() {
    let mut rfb = connected(ALL);
    let plain: &[u8] = &[2, 0, 0, 1, 0, 0, 0, 0];
    say(&mut rfb, plain).unwrap();
    let six = [5, 0x80, 0, 10, 0, 20];
    assert_eq!(say(&mut rfb, &[&six[..], KEY_A_DOWN].concat()).unwrap().1, 2);
}

#[test]
fn a_message_that_is_not_known_or_contradicts_itself_ends_the_conversation() {
    assert_eq!(say(&mut connected(ALL), &[99]), Err(RfbError::Message(99)));
    assert_eq!(say(&mut connected(ALL), &[6, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]), Err(RfbError::Malformed(6)));
    assert_eq!(say(&mut connected(ALL), &[2, 0, 0xff, 0xff]), Err(RfbError::Malformed(2)));
    assert_eq!(say(&mut connected(ALL), &[255, 7]), Err(RfbError::Malformed(255)));
    let mut not_rfb = Rfb::new(ALL);
    assert_eq!(say(&mut not_rfb, b"GET / HTTP/1.1\r\n"), Err(RfbError::Version));
}

#[test]
fn the_viewer_is_offered_only_ways_to_sign_in_that_can_be_followed() {
    let mut rfb = Rfb::new(ALL);
    // VeNCrypt, password, Tight
    let (first, second) = (Bytes::from_static(b"RFB 003.008\n\x03\x13"), Bytes::from_static(b"\x02\x10rest"));
    assert_eq!(rfb.pass_down(first).unwrap(), &b"RFB 003.008\n"[..]);
    assert_eq!(rfb.pass_down(second).unwrap(), &b"\x01\x02rest"[..]);
    say(&mut rfb, GREETING).unwrap();
    // A password's answer that looks like messages is not one.
    let (arrived, inputs) = say(&mut rfb, &[&[2][..], &[4; 16], SHARE, KEY_A_DOWN].concat()).unwrap();
    assert_eq!((arrived.len(), inputs), (26, 1));
    let encrypted = Bytes::from_static(b"RFB 003.008\n\x01\x13");
    assert_eq!(Rfb::new(ALL).pass_down(encrypted), Err(RfbError::Security));
}

#[test]
fn an_old_server_chooses_the_way_to_sign_in_by_itself() {
    for (choice, then) in [(1, &[][..]), (2, &[4; 16][..])] {
        let mut rfb = Rfb::new(ALL);
        rfb.pass_down(Bytes::from_static(b"RFB 003.003\n")).unwrap();
        say(&mut rfb, b"RFB 003.003\n").unwrap();
        let choice = Bytes::copy_from_slice(&[0, 0, 0, choice]);
        assert_eq!(rfb.pass_down(choice.clone()).unwrap(), choice);
        let (_, inputs) = say(&mut rfb, &[then, SHARE, KEY_A_DOWN].concat()).unwrap();
        assert_eq!(inputs, 1);
    }
}

/// Verdict, then a screen of 4 by 2 pixels of 32 bits, named `x`.
const LET_IN: &[u8] = &[0, 0, 0, 0];
const INIT: &[u8] = &[0, 4, 0, 2, 32, 24, 0, 1, 0, 255, 0, 255, 0, 255, 0, 8, 16, 0, 0, 0, 0, 0, 0, 1, b'x'];
const BELL: &[u8] = &[2];
const SERVER_CUT_TEXT: &[u8] = &[3, 0, 0, 0, 0, 0, 0, 3, b'a', b'b', b'c'];
// length -4, flags: notify text
const SERVER_CLIPBOARD: &[u8] = &[3, 0, 0, 0, 0xff, 0xff, 0xff, 0xfc, 8, 0, 0, 1];

/// A rectangle of 4 by 2 pixels.
fn rectangle(encoding: i32, content: &[u8]) -> Vec<u8> {
    [&[0, 0, 0, 0, 0, 4, 0, 2][..], &encoding.to_be_bytes(), content].concat()
}

/// Every kind of message in which pictures or figures come, each full of bytes that look like copied text.
fn pictures() -> Vec<Vec<u8>> {
    let text = |length: usize| SERVER_CUT_TEXT.iter().copied().cycle().take(length).collect::<Vec<u8>>();
    let with_length = |length: u8| [vec![0, 0, 0, length], text(length.into())].concat();
    let update = |rectangles: &[Vec<u8>]| {
        let count = u16::try_from(rectangles.len()).unwrap().to_be_bytes();
        [vec![0, 0], count.to_vec(), rectangles.concat()].concat()
    };
    let endless =
        [vec![0, 0, 0xff, 0xff], rectangle(0, &text(32)), rectangle(1, &text(4)), rectangle(-224, &[])].concat();
    vec![
        update(&[rectangle(0, &text(32))]),
        update(&[rectangle(1, &text(4)), rectangle(2, &[vec![0, 0, 0, 2], text(4 + 2 * 12)].concat())]),
        update(&[rectangle(6, &with_length(33)), rectangle(16, &with_length(0))]),
        update(&[rectangle(-239, &text(32 + 2)), rectangle(-240, &text(6 + 4)), rectangle(-223, &[])]),
        update(&[rectangle(-307, &with_length(5)), rectangle(-308, &[vec![2, 0, 0, 0], text(32)].concat())]),
        update(&[rectangle(-261, &text(1)), rectangle(0x574d_5668, &text(4)), rectangle(-258, &[])]),
        update(&[]),
        endless,
        [vec![1, 0, 0, 0, 0, 2], text(12)].concat(),
        BELL.to_vec(),
        vec![150],
        [vec![248, 0, 0, 0, 0, 0, 0, 0, 5], text(5)].concat(),
        vec![250, 0, 1, 1],
    ]
}

#[test]
fn what_was_copied_in_a_session_without_a_clipboard_does_not_leave_it() {
    let seed = rand::random();
    println!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    for rights in [NO_CLIPBOARD, LOOK_ON, ALL] {
        for _ in 0..200 {
            let (mut stream, mut expected) = ([LET_IN, INIT].concat(), [LET_IN, INIT].concat());
            for _ in 0..20 {
                let pictures = pictures();
                let picture = &pictures[random.random_range(0..pictures.len())];
                let copied = [SERVER_CUT_TEXT, SERVER_CLIPBOARD][random.random_range(0..2)];
                stream.extend_from_slice(picture);
                stream.extend_from_slice(copied);
                expected.extend_from_slice(picture);
                if rights == ALL {
                    expected.extend_from_slice(copied);
                }
            }
            let (mut rfb, mut rest, mut arrived) = (connected(rights), &stream[..], Vec::new());
            while !rest.is_empty() {
                let (now, later) = rest.split_at(random.random_range(1..=rest.len().min(30)));
                arrived.extend(rfb.pass_down(Bytes::copy_from_slice(now)).unwrap());
                rest = later;
            }
            assert_eq!(arrived, expected);
        }
    }
}

#[test]
fn a_server_that_cannot_be_followed_is_not_seen_where_there_is_no_clipboard() {
    let start = || {
        let mut rfb = connected(NO_CLIPBOARD);
        rfb.pass_down(Bytes::from([LET_IN, INIT].concat())).unwrap();
        rfb
    };
    let tight = [vec![0, 0, 0, 1], rectangle(7, &[])].concat();
    for odd in [&[99][..], &tight] {
        assert_eq!(start().pass_down(Bytes::copy_from_slice(odd)), Err(RfbError::Server), "{odd:?}");
        assert!(connected(ALL).pass_down(Bytes::copy_from_slice(odd)).is_ok(), "the control");
    }
    let mut early = Rfb::new(NO_CLIPBOARD);
    let both = Bytes::from([b"RFB 003.008\n\x01\x01", SERVER_CUT_TEXT].concat());
    assert_eq!(early.pass_down(both), Err(RfbError::Server), "before the viewer has chosen");
}

#[test]
fn pixels_are_measured_as_the_viewer_asked_for_them_and_do_not_change_under_way() {
    let mut rfb = connected(NO_CLIPBOARD);
    rfb.pass_down(Bytes::from([LET_IN, INIT].concat())).unwrap();
    let mut eight_bits = PIXEL_FORMAT.to_vec();
    eight_bits[4] = 8;
    say(&mut rfb, &eight_bits).unwrap();
    let picture = [vec![0, 0, 0, 1], rectangle(0, &[3; 8])].concat();
    let arrived = rfb.pass_down(Bytes::from([&picture, SERVER_CUT_TEXT, BELL].concat())).unwrap();
    assert_eq!(arrived, [&picture, BELL].concat());
    say(&mut rfb, UPDATE_REQUEST).unwrap();
    assert!(say(&mut rfb, &eight_bits).is_ok());
    assert_eq!(say(&mut rfb, PIXEL_FORMAT), Err(RfbError::Malformed(0)));
}

#[test]
fn a_password_and_a_refusal_are_followed_too() {
    let sign_in = |list: &'static [u8], choice: &[u8], then: &[u8]| {
        let mut rfb = Rfb::new(NO_CLIPBOARD);
        rfb.pass_down(Bytes::from([b"RFB 003.008\n", list].concat())).unwrap();
        say(&mut rfb, &[GREETING, choice].concat()).unwrap();
        rfb.pass_down(Bytes::copy_from_slice(then)).unwrap().to_vec()
    };
    let challenge = [&[3; 16], LET_IN, INIT].concat();
    assert_eq!(sign_in(&[1, 2], &[2], &[&challenge, SERVER_CUT_TEXT, BELL].concat()), [&challenge, BELL].concat());
    let reason = [0, 0, 0, 2, b'n', b'o'];
    assert_eq!(sign_in(&[1, 2], &[2], &[&[3; 16][..], &[0, 0, 0, 1], &reason].concat()).len(), 26);
    assert_eq!(sign_in(&[0], &[], &reason), reason);
}
