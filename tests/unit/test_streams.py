"""Sealed streams: only requester and streamer read and write them, and whatever is done to one shows."""

from __future__ import annotations

import hashlib
import hmac

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from hypothesis import given, settings
from hypothesis import strategies as st

from mlbridge.errors import MLBridgeError
from mlbridge.protocol import agreed, exchange, streams
from mlbridge.protocol.committee import arrivals, seated, streamer
from mlbridge.protocol.encoding import decode, encode
from mlbridge.protocol.hashing import keccak
from mlbridge.protocol.orders712 import TaskOrder
from mlbridge.protocol.snapshots import Snapshots
from mlbridge.protocol.streams import FrameReader, Kind, Opener, Sealer, StreamOpening
from tests.support import lane_members as made

ORDER, ACCOUNT = keccak(b"order"), 4
REQUESTER, STREAMER = bytes(range(32)), bytes(range(32, 64))
VECTORS: dict[str, object] = {
    "orderKey": "8f40c5adb68f25624ae5b214ea767a6ec94d829d3d7b5e1ad1ba6f3e2138285f",
    "streamerKey": "358072d6365880d1aeea329adf9121383851ed21a28e3b75e965d0d2cd166254",
    "paramsDigest": "50e15abf7310272b50ee3d1cee9014cecede13889b1745c6e099d872512d5561",
    "opening": "a60bd300ac17c6e56532989d21386095ada79eb6b303762413b8840b1dccd00b",
    "frames": [
        "008d374f3f110d017343fb2d376a920a00f0c4dcd4a8bf5811a5cf17b9b0963504f251929313a815e6cf520e42b806cfdc",
        "017bd07a5cf6eebf5cd1e6c347089232ad986e1462717f433c7560fa9e4ee8393e22f2c59dda4aa21fe6a80664194e5210",
    ],
}
SAID = ["Hel", "lo", "", " wörld", "."]


def sealed(texts: list[str] = SAID) -> tuple[Opener, list[bytes]]:
    """The requester's side and the frames of a whole stream."""
    sealer = Sealer(ORDER, ACCOUNT, agreed.public_of(REQUESTER), secret=STREAMER)
    frames = [sealer.seal(text) for text in texts[:-1]] + [sealer.seal(texts[-1], last=True)]
    return Opener(REQUESTER, sealer.opening), frames


def broken(opener: Opener, frame: bytes) -> bool:
    with pytest.raises(MLBridgeError) as caught:
        opener.open(frame)
    return caught.value.code == "stream.broken"


def test_what_is_sealed_is_opened() -> None:
    opener, frames = sealed()
    assert [opener.open(frame) for frame in frames] == SAID
    assert opener.ended


def test_frames_are_what_the_design_says() -> None:
    """Written out with the primitives alone: X25519, HKDF-SHA256 (RFC 5869), ChaCha20-Poly1305 (RFC 8439)."""
    ours, theirs = agreed.public_of(STREAMER), agreed.public_of(REQUESTER)
    shared = X25519PrivateKey.from_private_bytes(STREAMER).exchange(X25519PublicKey.from_public_bytes(theirs))
    extracted = hmac.new(ORDER, shared, hashlib.sha256).digest()
    info = b"mlbridge lane stream 1" + ACCOUNT.to_bytes(4, "big") + theirs + ours
    key = hmac.new(extracted, info + b"\x01", hashlib.sha256).digest()
    cipher = ChaCha20Poly1305(key)
    plain = [b"\x00\x02Hi" + bytes(28), b"\x00\x01!" + bytes(29)]
    _, frames = sealed(["Hi", "!"])
    assert frames[0] == b"\x00" + cipher.encrypt(bytes(11) + b"\x00", plain[0], None)
    assert frames[1] == b"\x01" + cipher.encrypt(bytes(10) + b"\x01\x01", plain[1], None)


def test_vectors() -> None:
    """Fixed bytes, for other languages and for us."""
    _, frames = sealed(["Hi", "!"])
    assert agreed.public_of(REQUESTER).hex() == VECTORS["orderKey"]
    assert agreed.public_of(STREAMER).hex() == VECTORS["streamerKey"]
    assert exchange.parameters_digest(agreed.public_of(REQUESTER)).hex() == VECTORS["paramsDigest"]
    opening = StreamOpening(ORDER, ACCOUNT, agreed.public_of(STREAMER))
    assert opening.digest(made.DOMAIN).hex() == VECTORS["opening"]
    assert [frame.hex() for frame in frames] == VECTORS["frames"]


def test_a_frame_that_is_moved_lost_repeated_or_changed_is_seen() -> None:
    for at in range(len(SAID)):
        opener, frames = sealed()
        for frame in frames[:at]:
            opener.open(frame)
        for other in [*frames[:at], *frames[at + 1 :]]:
            assert broken(opener, other)
        for place in range(len(frames[at])):
            changed = bytearray(frames[at])
            changed[place] ^= 1
            assert broken(opener, bytes(changed))
        # The true one is still taken: nothing was used up.
        assert opener.open(frames[at]) == SAID[at]


def test_a_stream_that_was_cut_off_has_no_end_and_none_goes_on_after_it() -> None:
    opener, frames = sealed()
    for frame in frames[:-1]:
        opener.open(frame)
    assert not opener.ended
    opener.open(frames[-1])
    assert broken(opener, frames[-1])
    assert broken(opener, b"")


def test_nobody_else_reads_or_writes_it() -> None:
    _, frames = sealed()
    stranger, _ = agreed.new_key()
    opening = Sealer(ORDER, ACCOUNT, agreed.public_of(REQUESTER), secret=STREAMER).opening
    assert broken(Opener(stranger, opening), frames[0])
    # Another streamer's frames, one of another order, and one in another account's name.
    for order, account, secret in (
        (ORDER, ACCOUNT, stranger),
        (keccak(b"other"), ACCOUNT, STREAMER),
        (ORDER, ACCOUNT + 2, STREAMER),
    ):
        forged = Sealer(order, account, agreed.public_of(REQUESTER), secret=secret).seal("Hello")
        assert broken(Opener(REQUESTER, opening), forged)


def test_a_key_that_fixes_the_secret_is_refused() -> None:
    for key in (bytes(32), b"\x01" + bytes(31), b"short"):
        with pytest.raises(MLBridgeError) as caught:
            Sealer(ORDER, ACCOUNT, key)
        assert caught.value.code == "stream.key"


def test_lengths_tell_no_token() -> None:
    sizes = {len(Sealer(ORDER, ACCOUNT, agreed.public_of(REQUESTER)).seal("x" * n)) for n in range(31)}
    assert len(sizes) == 1


def test_a_piece_has_its_limit_and_any_text_is_cut_to_fit() -> None:
    text = "𝄞" * (streams.MAX_PIECE_BYTES // 2)
    sealer = Sealer(ORDER, ACCOUNT, agreed.public_of(REQUESTER))
    with pytest.raises(MLBridgeError):
        sealer.seal(text)
    frames = [sealer.seal(piece) for piece in streams.pieces(text)]
    assert max(map(len, frames)) <= streams.MAX_FRAME_BYTES
    opener = Opener(REQUESTER, sealer.opening)
    assert "".join(map(opener.open, frames)) == text


@given(st.lists(st.tuples(st.sampled_from(Kind), st.binary(max_size=64)), max_size=8), st.data())
@settings(max_examples=60)
def test_frames_are_read_however_the_bytes_fall(
    frames: list[tuple[Kind, bytes]], data: st.DataObject
) -> None:
    wire = b"".join(streams.frame(kind, payload) for kind, payload in frames)
    reader, found = FrameReader(), []
    while wire:
        step = data.draw(st.integers(1, len(wire)))
        found += reader.feed(wire[:step])
        wire = wire[step:]
    assert found == frames


@pytest.mark.parametrize(
    "wire",
    [b"\x00\x00\x00\x00\x00", b"\x03\x00\x00\x00\x00", b"\x01\xff\xff\xff\xff", b"\x02\xff\xff\xff\xff"],
)
def test_what_is_no_frame_is_refused_before_it_is_kept(wire: bytes) -> None:
    with pytest.raises(MLBridgeError):
        FrameReader().feed(wire)


def test_the_key_is_part_of_what_the_requester_signed() -> None:
    key, other = (agreed.new_key()[1] for _ in range(2))
    order = made.order_of(params_digest=exchange.parameters_digest(key))
    offer = exchange.Offer(made.offer_of(order).order, made.terms(), made.INPUT, key)
    assert exchange.parse_offer(offer.to_bytes()) == offer
    assert offer.parameters_hold
    for swapped in (other, None):
        assert not exchange.Offer(offer.order, offer.terms, offer.content, swapped).parameters_hold
    plain = made.offer_of(made.order_of())
    assert plain.parameters_hold
    assert exchange.parse_offer(plain.to_bytes()) == plain
    assert not exchange.Offer(plain.order, plain.terms, plain.content, key).parameters_hold


@pytest.mark.parametrize("key", [b"short", None, "text", 7])
def test_an_offers_key_has_one_form(key: object) -> None:
    offer = exchange.Offer(made.offer_of(made.order_of()).order, made.terms(), made.INPUT, key)  # type: ignore[arg-type]
    fields = decode(offer.to_bytes())
    assert isinstance(fields, dict)
    item = encode(fields | {"stream": key})
    with pytest.raises(MLBridgeError) as caught:
        exchange.parse_offer(item)
    assert caught.value.code == "message.malformed"


def test_the_streamer_is_seated_and_each_may_be_it() -> None:
    snapshots, seed = Snapshots(), keccak(b"seed")
    for account in range(2, 14, 2):
        snapshots.record_weight(made.MODEL, account, 3, 10_000)
    found = set()
    for sequence in range(64):
        order: TaskOrder = made.order_of(sequence)
        one = streamer(order, seed, snapshots)
        assert one in seated(order, seed, snapshots)
        assert one == arrivals(order, seed, snapshots, 1)[0]
        found.add(one)
    assert found == set(range(2, 14, 2))
