"""The judge must see every way in which a report can be bad. Run: python3 -m unittest discover"""

import unittest

from judge import CASE_COUNTS, NO_EXPECTATION, SAMPLE, judge

GROUPS = ["1", "7"]
OK = {"behavior": "OK", "behaviorClose": "OK", "remoteCloseCode": 1000, "reportfile": "x.json"}


class JudgeTest(unittest.TestCase):
    def setUp(self):
        self.results = {f"1.1.{i}": dict(OK) for i in range(CASE_COUNTS["1"])}
        self.results.update({f"7.3.{i}": dict(OK) for i in range(CASE_COUNTS["7"] - len(NO_EXPECTATION))})
        for case in NO_EXPECTATION:
            self.results[case] = {**OK, "behavior": "INFORMATIONAL", "behaviorClose": "INFORMATIONAL"}

    def problems(self):
        return judge(self.results, GROUPS).problems

    def test_a_clean_report_passes(self):
        verdict = judge(self.results, GROUPS)
        self.assertEqual(verdict.problems, [])
        self.assertEqual(verdict.case_count, 53)
        self.assertEqual((verdict.ok_count, verdict.informational_count), (50, 3))

    def test_no_behavior_but_ok_passes(self):
        for behavior in ["FAILED", "NON-STRICT", "UNIMPLEMENTED", "INFORMATIONAL", "", None]:
            with self.subTest(behavior=behavior):
                self.results["1.1.3"]["behavior"] = behavior
                self.assertEqual(len(self.problems()), 1)

    def test_a_wrong_close_fails_a_case_that_is_ok_otherwise(self):
        for behavior in ["FAILED", "WRONG CODE", "UNCLEAN", "FAILED BY CLIENT", "INFORMATIONAL"]:
            with self.subTest(behavior=behavior):
                self.results["7.3.1"]["behaviorClose"] = behavior
                self.assertEqual(len(self.problems()), 1)

    def test_a_case_without_expectation_can_fail(self):
        self.results["7.1.6"]["behavior"] = "FAILED"
        self.assertEqual(len(self.problems()), 1)

    def test_a_missing_case_fails(self):
        del self.results["1.1.3"]
        self.assertEqual(self.problems(), ["group 1: 15 of 16 cases were reported"])

    def test_an_empty_report_fails_for_each_group(self):
        self.results = {}
        self.assertEqual(len(self.problems()), len(GROUPS))

    def test_a_case_of_another_group_fails(self):
        self.results["2.1"] = dict(OK)
        self.assertEqual(self.problems(), ["case 2.1 was not asked for"])

    def test_a_sample_is_complete_when_all_of_it_is_there(self):
        results = {case: dict(OK) for case in SAMPLE["12"]}
        self.assertEqual(judge(results, ["12"], sample=True).problems, [])
        self.assertEqual(len(judge(results, ["12"]).problems), 1)
        del results["12.3.6"]
        self.assertEqual(len(judge(results, ["12"], sample=True).problems), 1)


if __name__ == "__main__":
    unittest.main()
