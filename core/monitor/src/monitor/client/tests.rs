use super::*;
use crate::protocol::{header, parse_header};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

fn pair() -> (Client, UnixStream) {
    let (ours, theirs) =
        socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None).unwrap();
    (Client::new(ours), UnixStream::from(theirs))
}

fn frame(channel: Channel, bytes: &[u8]) -> Vec<u8> {
    [&header(channel, bytes.len() as u32)[..], bytes].concat()
}

fn read_frame(stream: &mut UnixStream) -> (Channel, Vec<u8>) {
    let mut bytes = [0; HEADER];
    stream.read_exact(&mut bytes).unwrap();
    let (channel, length) = parse_header(bytes).unwrap();
    let mut body = vec![0; length];
    stream.read_exact(&mut body).unwrap();
    (channel, body)
}

const NOTHING: &[u8] = &[];

#[test]
fn a_request_that_comes_byte_by_byte_is_read() {
    let (mut client, mut peer) = pair();
    let mut buffer = [0; 100];
    let frame = frame(Channel::Message, br#"{"op":"wait"}"#);
    for (n, byte) in frame.iter().enumerate() {
        assert!(matches!(client.receive(&mut buffer, true), Received::Nothing), "{n}");
        peer.write_all(&[*byte]).unwrap();
    }
    assert!(matches!(client.receive(&mut buffer, true), Received::Request(Ok(Request::Wait))));
    assert!(matches!(client.receive(&mut buffer, true), Received::Nothing));
    drop(peer);
    assert!(matches!(client.receive(&mut buffer, true), Received::End));
}

#[test]
fn standard_input_is_read_in_pieces_and_only_when_it_can_be_taken() {
    let (mut client, mut peer) = pair();
    let mut buffer = [0; 10];
    peer.write_all(&frame(Channel::Stdin, b"0123456789abcde")).unwrap();
    peer.write_all(&frame(Channel::Stdin, b"")).unwrap();
    assert!(matches!(client.receive(&mut buffer, false), Received::Nothing));
    assert!(!client.flags(false).contains(EventFlags::IN));
    assert!(client.flags(true).contains(EventFlags::IN));
    assert!(matches!(client.receive(&mut buffer, true), Received::Stdin(10)));
    assert_eq!(&buffer, b"0123456789");
    assert!(matches!(client.receive(&mut buffer, true), Received::Stdin(5)));
    assert!(matches!(client.receive(&mut buffer, false), Received::StdinEnd));
}

#[test]
fn what_is_not_of_the_protocol_is_nonsense() {
    for bytes in [
        &frame(Channel::Stdout, b"x")[..],
        &frame(Channel::Message, b""),
        &header(Channel::Message, REQUEST_MAX as u32 + 1),
        &header(Channel::Stdin, u32::MAX),
        b"GET / HTTP/1.1\r\n",
    ] {
        let (mut client, mut peer) = pair();
        peer.write_all(bytes).unwrap();
        assert!(matches!(client.receive(&mut [0; 100], true), Received::Nonsense), "{bytes:?}");
    }
    let (mut client, mut peer) = pair();
    peer.write_all(&frame(Channel::Message, b"{\"op\":\"fly\"}")).unwrap();
    assert!(matches!(client.receive(&mut [0; 100], true), Received::Request(Err(_))));
}

#[test]
fn frames_are_never_mixed_however_little_the_peer_takes() {
    let (mut client, mut peer) = pair();
    rustix::net::sockopt::set_socket_send_buffer_size(&client, 4096).unwrap();
    peer.set_nonblocking(false).unwrap();
    let reader = std::thread::spawn(move || {
        let mut frames = Vec::new();
        while frames.len() < 5 {
            frames.push(read_frame(&mut peer));
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
        frames
    });
    let mut expected = 0;
    for n in 0..2_u8 {
        let bytes = vec![n; 60_000];
        let chunk = Chunk::new(Stream::Stderr, &bytes);
        client.owe_chunk();
        client.flush(chunk).unwrap();
        client.tell(&Event::Done);
        expected += 2;
        while client.has_unsent() {
            client.flush(chunk).unwrap();
        }
    }
    client.notice_log(Chunk::new(Stream::Stdout, NOTHING)).unwrap();
    while client.has_unsent() {
        client.flush(Chunk::new(Stream::Stdout, NOTHING)).unwrap();
    }
    let frames = reader.join().unwrap();
    assert_eq!(frames.len(), expected + 1);
    assert_eq!(frames[0], (Channel::Stderr, vec![0; 60_000]));
    assert_eq!(frames[2], (Channel::Stderr, vec![1; 60_000]));
    let event = |n: usize| serde_json::from_slice::<Event>(&frames[n].1).unwrap();
    assert!(matches!((event(1), event(3)), (Event::Done, Event::Done)));
    assert!(matches!(event(4), Event::Logged));
}

#[test]
fn notices_of_the_log_are_not_kept_for_a_client_that_does_not_read() {
    let (mut client, peer) = pair();
    for _ in 0..100_000 {
        client.notice_log(Chunk::new(Stream::Stdout, NOTHING)).unwrap();
    }
    assert!(client.outbox.len() < 100);
    drop(peer);
    assert!(client.flush(Chunk::new(Stream::Stdout, NOTHING)).is_ok() || !client.has_unsent());
}
