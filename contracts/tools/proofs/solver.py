"""What halmos asks whether a claim can fail: yices for a few seconds, then cvc5.

Run by the environment of `evidence halmos` with the path of an SMT-LIB file. yices knows masks and shifts;
cvc5 reads words as whole numbers, and so knows multiplications and divisions that bits are too many for.
"""

import subprocess
import sys
from pathlib import Path

YICES_SECONDS = 2


def _yices(question: str) -> str:
    command = [str(Path(sys.executable).parent / "yices-smt2"), "--smt2-model-format", "--bvconst-in-decimal"]
    try:
        done = subprocess.run([*command, question], capture_output=True, text=True, timeout=YICES_SECONDS)
    except subprocess.TimeoutExpired:
        return ""
    return done.stdout


def _cvc5(question: str) -> None:
    import cvc5

    terms = cvc5.TermManager()
    solver = cvc5.Solver(terms)
    solver.setOption("produce-models", "true")
    solver.setOption("solve-bv-as-int", "sum")
    symbols = cvc5.SymbolManager(terms)
    parser = cvc5.InputParser(solver, symbols)
    parser.setFileInput(cvc5.InputLanguage.SMT_LIB_2_6, question)
    while not (command := parser.nextCommand()).isNull():
        print(command.invoke(solver, symbols), end="", flush=True)


def main() -> None:
    question = sys.argv[-1]
    answer = _yices(question)
    if answer.startswith(("sat", "unsat")):
        print(answer, end="")
    else:
        _cvc5(question)


if __name__ == "__main__":
    main()
