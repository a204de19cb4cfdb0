// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Policy, RoundKind, TaskStatus} from "../../src/interfaces/Types.sol";
import {Facts, FactsWord} from "../../src/libraries/ModelWords.sol";
import {Head, HeadWord, Purse, PurseWord} from "../../src/libraries/TaskWords.sol";
import {VM as vm} from "../utils/Vm.sol";

/// @title Fields of packed words do not touch one another
/// @dev Every word, every value that fits its field. `_outside` says that nothing but the named bits changed.
contract WordsCheck {
    function check_HeadMake(uint256 fee, uint256 model, uint256 deadline, uint256 seats, uint256 tips, uint256 version)
        external
        pure
    {
        vm.assume(fee < 1 << 74 && model < 1 << 24 && deadline < 1 << 34);
        vm.assume(seats < 16 && tips < 8 && version < 256);
        Head h = HeadWord.make(fee, model, deadline, seats, tips, version);
        assert(h.modelFee() == fee && h.model() == model && h.deadline() == deadline);
        assert(h.seats() == seats && h.tips() == tips && h.version() == version);
        assert(h.status() == TaskStatus.None && h.round() == 0 && h.stage() == 0 && h.kind() == RoundKind.Result);
        assert(h.committed() == 0 && h.opened() == 0 && h.redraws() == 0 && h.desk() == 0 && !h.replaced());
    }

    function check_HeadArmed(uint256 word, uint8 status, uint256 block_, uint256 epoch) external pure {
        vm.assume(status <= uint8(TaskStatus.Cancelled) && block_ < 1 << 33 && epoch < 1 << 28);
        Head h = Head.wrap(word).armed(TaskStatus(status), block_, epoch);
        assert(uint8(h.status()) == status && h.phaseAt() == block_ && h.armedEpoch() == epoch);
        _outside(word, Head.unwrap(h), 132, 65);
    }

    function check_HeadPhase(uint256 word, uint8 status, uint256 end) external pure {
        vm.assume(status <= uint8(TaskStatus.Cancelled) && end < 1 << 33);
        Head h = Head.wrap(word).withPhase(TaskStatus(status), end);
        assert(uint8(h.status()) == status && h.phaseAt() == end);
        _outside(word, Head.unwrap(h), 160, 37);
    }

    function check_HeadStatus(uint256 word, uint8 status) external pure {
        vm.assume(status <= uint8(TaskStatus.Cancelled));
        Head h = Head.wrap(word).withStatus(TaskStatus(status));
        assert(uint8(h.status()) == status);
        _outside(word, Head.unwrap(h), 193, 4);
    }

    function check_HeadRedraw(uint256 word) external pure {
        Head h = Head.wrap(word);
        vm.assume(h.redraws() < HeadWord.MAX_REDRAWS);
        assert(h.withRedraw().redraws() == h.redraws() + 1);
        _outside(word, Head.unwrap(h.withRedraw()), 206, 2);
    }

    function check_HeadTip(uint256 word) external pure {
        Head h = Head.wrap(word);
        vm.assume(h.tips() != 0);
        assert(h.lessTip().tips() == h.tips() - 1);
        _outside(word, Head.unwrap(h.lessTip()), 208, 3);
    }

    function check_HeadDeskAndReplaced(uint256 word, uint256 table) external pure {
        Head h = Head.wrap(word);
        vm.assume(h.desk() == 0 && table < 4);
        assert(h.withDesk(table).desk() == table);
        _outside(word, Head.unwrap(h.withDesk(table)), 211, 2);
        assert(h.withReplaced().replaced());
        _outside(word, Head.unwrap(h.withReplaced()), 213, 1);
    }

    /// @dev One seat's marks leave those of every other seat alone: nothing, committed, opened with the lead, apart.
    function check_HeadMarks(uint256 word, uint8 seat) external pure {
        vm.assume(seat < 15);
        Head h = Head.wrap(word);
        uint256 bit = uint256(1) << seat;
        vm.assume((h.committed() | h.opened()) & bit == 0);
        Head committed = h.withCommitted(seat);
        assert(committed.committed() == h.committed() | bit && committed.opened() == h.opened());
        Head agreeing = committed.withAgreeing(seat);
        assert(agreeing.opened() == h.opened() | bit && agreeing.agreeing() == h.agreeing() | bit);
        assert(agreeing.committed() == committed.committed() && agreeing.apart() == h.apart());
        Head apart = committed.withApart(seat);
        assert(apart.opened() == h.opened() | bit && apart.apart() == h.apart() | bit);
        assert(apart.agreeing() == h.agreeing() && apart.committed() == committed.committed());
        _outside(word, Head.unwrap(agreeing), 222, 30);
        _outside(word, Head.unwrap(apart), 222, 30);
    }

    /// @dev The first that opens leads.
    function check_HeadLead(uint256 word, uint8 seat) external pure {
        vm.assume(seat < 15);
        Head h = Head.wrap(word);
        vm.assume(h.lead() == 0 && h.opened() == 0 && h.committed() >> seat & 1 == 1);
        Head led = h.withLead(seat);
        assert(led.lead() == seat && led.opened() == uint256(1) << seat && led.agreeing() == uint256(1) << seat);
        _outside(word, Head.unwrap(led), 222, 34);
    }

    /// @dev Model, deadline, redraws left to zero; what later rounds need stays.
    function check_HeadNextRound(uint256 word, uint8 stage, uint8 kind, uint8 seats) external pure {
        vm.assume(stage < 4 && kind < 2 && seats < 16);
        Head h = Head.wrap(word);
        vm.assume(h.round() < 3);
        Head next = h.nextRound(stage, RoundKind(kind), seats);
        assert(next.round() == h.round() + 1 && next.stage() == stage);
        assert(uint8(next.kind()) == kind && next.seats() == seats && next.redraws() == 0);
        assert(next.committed() == 0 && next.opened() == 0 && next.lead() == 0);
        assert(next.modelFee() == h.modelFee() && next.model() == h.model() && next.deadline() == h.deadline());
        assert(next.tips() == h.tips() && next.desk() == h.desk() && next.version() == h.version());
        assert(next.replaced() == h.replaced() && next.phaseAt() == h.phaseAt());
    }

    function check_Purse(address requester, uint256 reward, bool named) external pure {
        vm.assume(reward <= PurseWord.MAX_REWARD);
        Purse p = PurseWord.make(requester, reward, named);
        assert(p.requester() == requester && p.reward() == reward && p.named() == named);
        assert(p.live() && !p.rearmed());
    }

    function check_PurseFlags(uint256 word) external pure {
        Purse p = Purse.wrap(word);
        assert(p.withRearmed().rearmed() && !p.ended().live());
        _outside(word, Purse.unwrap(p.withRearmed()), 254, 1);
        _outside(word, Purse.unwrap(p.ended()), 255, 1);
    }

    function check_FactsMake(uint32 index, uint96 price, uint8 policy, uint32 multiple) external pure {
        vm.assume(policy <= uint8(Policy.Numeric));
        Facts f = FactsWord.make(index, price, Policy(policy), multiple);
        assert(f.index() == index && f.price() == price && uint8(f.policy()) == policy && f.multiple() == multiple);
        assert(f.halts() == 0 && f.epoch() == 0 && f.ordered() == 0 && f.providers() == 0);
    }

    function check_FactsPrice(uint256 word, uint96 price) external pure {
        Facts f = Facts.wrap(word).withPrice(price);
        assert(f.price() == price);
        _outside(word, Facts.unwrap(f), 112, 96);
    }

    function check_FactsHalts(uint256 word, uint8 halt) external pure {
        Facts f = Facts.wrap(word);
        assert(f.toggled(halt).halts() == f.halts() ^ halt);
        _outside(word, Facts.unwrap(f.toggled(halt)), 248, 8);
    }

    function check_FactsOrdered(uint256 word, int24 ordered) external pure {
        Facts f = Facts.wrap(word).withOrdered(ordered);
        assert(f.ordered() == ordered);
        _outside(word, Facts.unwrap(f), 0, 24);
    }

    function check_FactsMoved(uint256 word, uint32 epoch, uint32 multiple) external pure {
        Facts f = Facts.wrap(word).moved(epoch, multiple);
        assert(f.epoch() == epoch && f.multiple() == multiple && f.ordered() == 0);
        _outside(word, Facts.unwrap(f), 0, 88);
    }

    function check_FactsProviders(uint256 word, uint24 providers) external pure {
        Facts f = Facts.wrap(word).withProviders(providers);
        assert(f.providers() == providers);
        _outside(word, Facts.unwrap(f), 88, 24);
    }

    /// @dev Both words are the same but for `bits` bits from `low` on.
    function _outside(uint256 before, uint256 after_, uint256 low, uint256 bits) private pure {
        uint256 inside = ((uint256(1) << bits) - 1) << low;
        assert((before ^ after_) & ~inside == 0);
    }
}
