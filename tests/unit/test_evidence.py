"""The tools that gather evidence about the contracts notice what they are there to notice."""

from contracts.tools.proofs import layout, natspec, slither


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


def test_a_module_must_keep_the_task_manager_s_layout() -> None:
    found = {"TaskManager": ["0+0 a: t_uint8"], "TaskModule": ["0+0 a: t_uint8"], "OtherModule": []}
    assert layout.differing_modules(found) == ["OtherModule"]
