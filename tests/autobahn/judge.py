"""What a complete and clean Autobahn report is, and in which way a given one is not."""

from dataclasses import dataclass, field

# Cases of each group in the suite's release 25.10.1. Fewer in a report: the run was cut short.
CASE_COUNTS = {
    "1": 16,  # framing
    "2": 11,  # pings and pongs
    "3": 7,  # reserved bits
    "4": 10,  # opcodes
    "5": 20,  # fragmentation
    "6": 145,  # UTF-8
    "7": 37,  # closing
    "9": 54,  # limits and performance
    "10": 1,  # automatic fragmentation
    "12": 90,  # permessage-deflate, defaults
    "13": 126,  # permessage-deflate, negotiated parameters
}

# A spread of the compression cases, for every day: of each set of parameters short messages, middling
# ones, and ones in fragments. All of them take ten minutes and more for each role.
SAMPLE = {
    "12": [f"12.{kind}.{case}" for kind in range(1, 6) for case in (2, 6, 13)],
    "13": [f"13.{kind}.{case}" for kind in range(1, 8) for case in (2, 6, 13)],
}

# Cases for which the suite has no expectation: after a close has begun (7.1.6), and close codes
# from 5000 up, of which RFC 6455 §7.4.2 says nothing (7.13.*).
NO_EXPECTATION = {"7.1.6", "7.13.1", "7.13.2"}


@dataclass
class Verdict:
    """Counts over one report, and a sentence for each thing that is wrong with it."""

    case_count: int = 0
    ok_count: int = 0
    informational_count: int = 0
    problems: list = field(default_factory=list)


def judge(results, groups, sample=False):
    """Judges `results`, a map from case id to its entry in the report's index."""
    verdict = Verdict(case_count=len(results))
    for case, result in sorted(results.items(), key=lambda item: case_key(item[0])):
        behaviors = (result.get("behavior"), result.get("behaviorClose"))
        if case.split(".")[0] not in groups:
            verdict.problems.append(f"case {case} was not asked for")
        elif behaviors == ("OK", "OK"):
            verdict.ok_count += 1
        elif case in NO_EXPECTATION and set(behaviors) <= {"OK", "INFORMATIONAL"}:
            verdict.informational_count += 1
        else:
            verdict.problems.append(
                f"case {case}: behavior {behaviors[0]}, on close {behaviors[1]}"
                f" (close code {result.get('remoteCloseCode')}, see {result.get('reportfile')})"
            )
    for group in groups:
        count = sum(case.split(".")[0] == group for case in results)
        expected = len(SAMPLE[group]) if sample and group in SAMPLE else CASE_COUNTS[group]
        if count != expected:
            verdict.problems.append(f"group {group}: {count} of {expected} cases were reported")
    return verdict


def case_key(case):
    return [int(part) for part in case.split(".")]
