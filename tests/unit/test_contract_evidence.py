"""The tools that gather evidence about the contracts notice what they are there to notice."""

from itertools import islice

import pytest

from contracts.tools.proofs import (
    coverage,
    halmos,
    invariants,
    layout,
    mutants,
    natspec,
    silences,
    slither,
    syntax,
)


def test_a_parameter_without_words_is_missed() -> None:
    event = {
        "nodeType": "EventDefinition",
        "name": "Paid",
        "parameters": {"parameters": [{"name": "to"}, {"name": "amount"}]},
    }
    assert natspec.missing(event, "") == ["words", "@param to", "@param amount"]
    assert natspec.missing(event, "@notice Somebody was paid.\n @param to who\n @param amount wei") == []


def test_a_value_of_a_view_needs_no_line_of_its_own() -> None:
    function = {
        "nodeType": "FunctionDefinition",
        "name": "owed",
        "stateMutability": "view",
        "parameters": {"parameters": []},
        "returnParameters": {"parameters": [{"name": ""}]},
    }
    assert natspec.missing(function, "@notice Wei owed.") == []
    assert natspec.missing({**function, "stateMutability": "nonpayable"}, "@notice Pay.") == [
        "@return (0 of 1)"
    ]


def test_a_finding_needs_a_reason_and_a_reason_a_finding() -> None:
    reasons = [
        {"check": "timestamp", "names": ["*"], "reason": ""},
        {"check": "gone", "names": ["A.b"], "reason": ""},
    ]
    found = [("Low", "timestamp", "A.b"), ("High", "suicidal", "A.c")]
    assert slither.judge(found, reasons) == ([("High", "suicidal", "A.c")], ["gone A.b"], [])


def test_a_serious_finding_is_not_matched_away() -> None:
    reasons = [{"check": "suicidal", "names": ["A.*"], "reason": ""}]
    assert slither.judge([("High", "suicidal", "A.c")], reasons) == ([], [], ["suicidal A.*"])


def test_a_place_is_passed_over_only_with_a_reason_right_before() -> None:
    source = (
        "    // Nobody else can be named here.\n"
        "    // slither-disable-start suicidal,timestamp\n"
        "    /// @notice Ends it.\n"
        "    // slither-disable-next-line assembly\n"
        "    function end() external {\n"
        "        // slither-disable-next-line calls-loop\n"
        "        // slither-disable-next-line low-level-calls\n"
        "    }\n"
        "    // slither-disable-end suicidal,timestamp\n"
    )
    found = [(one.detector, one.line, one.explained) for one in silences.silences("src/A.sol", source)]
    assert found == [
        ("suicidal", 2, True),
        ("timestamp", 2, True),
        ("assembly", 4, False),
        ("calls-loop", 6, False),
        ("low-level-calls", 7, False),
    ]
    assert not silences.silences("src/A.sol", "// slither-disable-next-line suicidal")[0].explained


def test_no_place_of_the_sources_is_passed_over_without_a_reason() -> None:
    found = silences.of_sources()
    assert {"arbitrary-send-eth", "uninitialized-state"} <= {one.detector for one in found}
    assert [one for one in found if not one.explained] == []


def test_a_comment_that_silences_nothing_is_named_with_its_line() -> None:
    def unused(path: str) -> dict[str, object]:
        return {"file": str(syntax.CONTRACTS / path), "line": 7, "unused_detectors": ["suicidal"]}

    listed = {"check": slither.IDLE, "unused_ignores": [unused("src/A.sol"), unused("node_modules/B.sol")]}
    assert slither.idle([{"check": "suicidal"}, listed]) == ["src/A.sol:7 suicidal"]


def test_a_moved_member_of_a_struct_shows_in_the_layout() -> None:
    def storage(offset: int) -> dict[str, object]:
        return {
            "storage": [
                {
                    "slot": "0",
                    "offset": 0,
                    "label": "_all",
                    "type": "t_mapping(t_uint256,t_struct(S)7_storage)",
                }
            ],
            "types": {
                "t_mapping(t_uint256,t_struct(S)7_storage)": {"value": "t_struct(S)7_storage"},
                "t_struct(S)7_storage": {
                    "members": [{"slot": "0", "offset": offset, "label": "a", "type": "t_uint8"}]
                },
                "t_uint8": {},
            },
        }

    assert layout.lines(storage(0)) == [
        "0+0 _all: t_mapping(t_uint256,t_struct(S)_storage)",
        "  0+0 a: t_uint8",
    ]
    assert layout.lines(storage(1)) != layout.lines(storage(0))


def test_a_module_must_begin_as_the_task_manager_s_layout_does() -> None:
    whole = ["0+0 a: t_uint8", "0+1 b: t_uint8"]
    found = {"TaskManager": whole, "TaskModule": whole, "ServingModule": whole[:1], "OtherModule": whole[1:]}
    assert layout.differing_modules(found) == ["OtherModule"]


def test_coverage_counts_lines_and_branches_of_src_only() -> None:
    lcov = (
        "SF:src/A.sol\nDA:3,2\nDA:4,0\nBRDA:3,0,0,1\nBRDA:3,0,1,-\nend_of_record\nSF:test/A.t.sol\nDA:1,0\n"
    )
    files = coverage.parse(lcov)
    assert list(files) == ["src/A.sol"]
    assert files["src/A.sol"].counts() == (1, 2, 1, 2)


def test_each_symbolic_check_says_what_it_is_made_for() -> None:
    for path in halmos.TESTS.glob("*.t.sol"):
        found = halmos.bounds(path.read_text())
        assert found, path
        assert all(found.values()), (path, found)


def test_the_sample_of_mutants_is_the_same_every_time() -> None:
    chosen = mutants.sample("src/libraries", 50)
    assert [mutant.key for mutant in chosen] == [mutant.key for mutant in mutants.sample("src/libraries", 50)]
    assert len({mutant.key for mutant in chosen}) == 50
    for mutant in chosen:
        assert mutant.before != mutant.after
        assert mutants.tests_of(mutant.path)


def campaigned(**seconds: int) -> invariants.Run:
    played = {
        name: invariants.Done(turns=1, runs=2, calls=300, seconds=value) for name, value in seconds.items()
    }
    return invariants.Run(commit="abc", sources="", seconds=60, workers=1, campaigns=played)


def test_who_has_played_least_plays_next_and_under_a_seed_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    def turn(campaign: str, invariants_: int, seed: int) -> invariants.Turn:
        return invariants.Turn(campaign, seed, 1, 128, 10 * invariants_)

    monkeypatch.setattr(invariants, "_turn", turn)
    run = campaigned(A=0, B=15)
    turns = islice(invariants.play(run, {"A": 1, "B": 1}, 60, 1), 4)
    assert [(one.campaign, one.seed) for one in turns] == [("A", 2), ("A", 3), ("B", 2), ("A", 4)]


def test_a_broken_claim_ends_the_run_and_counts_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def turn(campaign: str, invariants_: int, seed: int) -> invariants.Turn:
        return invariants.Turn(campaign, seed, 0, 0, 1, "[FAIL] what left the channel was signed for")

    monkeypatch.setattr(invariants, "_turn", turn)
    run = campaigned(A=0)
    (last,) = invariants.play(run, {"A": 1}, 60, 1)
    assert (last.campaign, last.seed) == ("A", 2)
    assert run == campaigned(A=0)


def test_the_report_of_campaigns_claims_no_more_than_was_played(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(invariants, "campaigns", lambda: {"A": 2, "B": 1})
    run = campaigned(A=30, B=30)
    assert "600 random calls" in invariants.written(run)[0]
    assert "not reached yet" in invariants.written(run)[0]
    assert "| A | 2 | 1 to 1 | 2 x 128 | 300 | 30 | 10 |" in invariants.written(run)
    run["seconds"] = 3_600
    assert "calls: reached" in invariants.written(run)[0]


def test_every_campaign_is_found() -> None:
    found = invariants.campaigns()
    assert found["RandomnessBeaconInvariantTest"] == 3
    assert {"ChannelInvariantTest", "SummonsInvariantTest", "InvariantTest"} <= found.keys()
