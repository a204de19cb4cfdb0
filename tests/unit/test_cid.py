"""CIDs and the UnixFS tree, held to another implementation (kubo itself: tests/integration/test_kubo.py)."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlbridge.errors import MLBridgeError
from mlbridge.protocol import unixfs
from mlbridge.protocol.cid import block_cid
from mlbridge.storage.cid import FileBuilder, cid_from_bytes, cid_of, cid_to_bytes

HELLO = "bafkreifjjcie6lypi6ny7amxnfftagclbuxndqonfipmb64f2km2devei4"


def pattern(size: int) -> bytes:
    """Byte i is (131 i + 7 (i >> 8) + (i >> 16)) mod 256, as in the script that made the expected values."""
    period = b"".join(bytes((i * 131 + h * 7) & 255 for i in range(256)) for h in range(256))
    blocks = (
        period.translate(bytes((b + high) & 255 for b in range(256))) for high in range(-(-size // 65536))
    )
    return b"".join(blocks)[:size]


# Made with npm ipfs-unixfs-importer 15.2.5: cidVersion 1, rawLeaves, fixedSize 262144, balanced 174.
@pytest.mark.parametrize(
    ("size", "cid"),
    [
        (0, "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku"),
        (1, "bafkreidogqfzz75tpkmjzjke425xqcrmpcib2p5tg44hnbirumdbpl5adu"),
        (262143, "bafkreia6dnxkv4lcdrz7rsznq65b54shun3mfsibhkrui3hsriv6owewy4"),
        (262144, "bafkreiadjoqbwlg722xcl4ckpoycv5l3t25zyra7jsryrzohixhjkeatau"),
        (262145, "bafybeiezc4d4hj5d6ppmhks367mdon2xcnn22d2xvla4rbxh3pq7fybyx4"),
        (1048576, "bafybeiav4eohteocnvd3pdmhzo6zfkiemtvsaskfdaiiltri2eaffv4fci"),
        (174 * 262144, "bafybeieyqybiqt4anwoiakaezgdw6d7djf4d5ldmtqyo6pp7ddbagsn65a"),
        (174 * 262144 + 1, "bafybeic7qbm5gcbbtca3r4dhnz7opxsiknqv7qnlfbrrgqkcn42dd6ubsu"),
        (175 * 262144 + 5, "bafybeido3jdtb4zwi3bnqhu3orybece3l7t7rfwwenphbfrugpn6nhjypy"),
    ],
)
def test_known_files(size: int, cid: str) -> None:
    assert cid_of(pattern(size)) == cid


def test_hello_world() -> None:
    assert cid_of(b"hello world\n") == HELLO


# The same importer with chunks of 4 bytes and 3 links, to see trees of up to five levels.
@pytest.mark.parametrize(
    ("size", "cid"),
    [
        (4, "bafkreic2psyf6ajkh42oazdiwt3rva6ezvziqrnp5rqc74536taoeagdae"),
        (5, "bafybeiebjb6rs7aampfszgsi3lfw4qvob37n2jobmihkzjynsuvjtqonim"),
        (12, "bafybeif7sukgkkwg7nhexb33omjn2gf2o7vxirbvciwmxlws22hsyqyaeq"),
        (13, "bafybeigios37b574anclaxbc2vf5vw65gmhqmaq4rau55rwjjghu6ioinq"),
        (36, "bafybeidceem3qcxji43x3gtcyfbdphpr5oenzr7sedjjy7voadz4eollc4"),
        (37, "bafybeih4un7ncxxm25mytxw2iz4qp67oqarkv3qbd6b67wmcz3ekqztb7i"),
        (40, "bafybeiaehcgiasklxzvwa57sgjgqkrtjbrcqpnem5kjz4tj2wvrbwllot4"),
        (108, "bafybeieohag3sldfh3vmorgde2t57y5chdwxz2cd2mdbjejk7626rsfvhi"),
        (109, "bafybeiavdstdm3jtggr4ye6kc5hye5x37sqjwiofvbqghekmsrnuk2fpau"),
        (113, "bafybeic4icaegsnqi7e4wjd66oxs2xiodt76vau4fsssatdxae4237mx6a"),
    ],
)
def test_deep_trees(size: int, cid: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unixfs, "CHUNK_BYTES", 4)
    monkeypatch.setattr(unixfs, "MAX_LINKS", 3)
    assert cid_of(pattern(size)) == cid


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(0, 300_000), max_size=6))
def test_the_pieces_do_not_matter(sizes: list[int]) -> None:
    data = pattern(sum(sizes))
    builder, at = FileBuilder(), 0
    for size in sizes:
        builder.update(data[at : at + size])
        at += size
    assert builder.size == len(data)
    assert builder.finish() == cid_of(data)


def test_the_sink_sees_every_block_children_first() -> None:
    blocks: list[tuple[bytes, bytes]] = []
    builder = FileBuilder(lambda cid, block: blocks.append((cid, block)))
    data = pattern(600_000)
    builder.update(data)
    root = builder.finish()
    assert len(blocks) == 4
    assert b"".join(block for _, block in blocks[:3]) == data
    assert blocks[3][0] == cid_to_bytes(root)
    assert all(cid in blocks[3][1] for cid, _ in blocks[:3])
    for cid, block in blocks:
        assert block_cid(cid[1], block) == cid


@given(st.binary(max_size=64))
def test_text_and_binary_are_one_to_one(data: bytes) -> None:
    cid = cid_of(data)
    assert cid_from_bytes(cid_to_bytes(cid)) == cid


@pytest.mark.parametrize(
    "cid",
    [
        "",
        "b",
        "hello",
        "../../etc/passwd",
        HELLO.upper(),
        HELLO[:-1],
        HELLO + "a",
        HELLO[:-1] + "5",
        "z" + HELLO[1:],
        "QmT78zSuBmuS4z925WZfrqQ1qHaJ56DQaTfyMUF7F8ff5o",
        "bafyreifjjcie6lypi6ny7amxnfftagclbuxndqonfipmb64f2km2devei4",
        "bafkrmifjjcie6lypi6ny7amxnfftagclbuxndqonfipmb64f2km2devei4",
        HELLO[:20] + "/" + HELLO[21:],
        HELLO[:20] + "é" + HELLO[21:],
    ],
)
def test_other_texts_are_no_cids(cid: str) -> None:
    with pytest.raises(MLBridgeError, match="ipfs") as caught:
        cid_to_bytes(cid)
    assert caught.value.code == "content.bad_cid"


@given(st.binary(max_size=40))
def test_other_bytes_are_no_cids(data: bytes) -> None:
    with pytest.raises(MLBridgeError) as caught:
        cid_from_bytes(data)
    assert caught.value.code == "content.bad_cid"
