"""Receipts: what a task's answer rests on, in a file that anyone can check against the chain."""

from mlbridge.sdk.receipt_build import REVIEW, build
from mlbridge.sdk.receipt_model import Receipt
from mlbridge.sdk.receipt_verify import VerificationReport, verify

__all__ = ["REVIEW", "Receipt", "VerificationReport", "build", "verify"]
