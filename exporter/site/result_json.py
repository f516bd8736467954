"""A ``ProbeResult`` as JSON, for scripts: times in seconds, no NaN, no prompt."""

from __future__ import annotations

from dataclasses import asdict

from pydantic import JsonValue

from exporter.coldness import Coldness
from exporter.result import Failure, ProbeResult


def result_to_json(result: ProbeResult, cold: Coldness | None = None) -> dict[str, JsonValue]:
    """The facts and measurements of a result; unknown values are null."""
    return {
        "target": result.target,
        "probe": result.probe,
        "finished_at": result.finished_at,
        "success": result.success,
        "failure": _failure_to_json(result.failure) if result.failure else None,
        "interrupted": result.interrupted,
        "retry_after_seconds": result.retry_after_seconds,
        "time_to_first_token_seconds": result.time_to_first_token_seconds,
        "time_to_first_answer_token_seconds": result.time_to_first_answer_token_seconds,
        "time_per_output_token_seconds": result.time_per_output_token_seconds,
        "output_tokens_per_second": result.output_tokens_per_second,
        "request_duration_seconds": result.request_duration_seconds,
        "max_stall_seconds": result.max_stall_seconds,
        "uncertainty_seconds": result.uncertainty_seconds,
        "connection": asdict(result.connection) if result.connection else None,
        "usage": asdict(result.usage) if result.usage else None,
        "earlier_usage": asdict(result.earlier_usage) if result.earlier_usage else None,
        "items_per_second": result.items_per_second,
        "embedding_dimensions": result.measures.dimensions,
        "cold_prompt_first_token_seconds": result.measures.cold_first_token_seconds,
        "cached_input_ratio": result.measures.cached_input_ratio,
        "finish_reason": result.finish_reason,
        "served_model": result.served_model,
        "request_id": result.request_id,
        "cold": asdict(cold) if cold else None,
        "model_load_seconds": result.model_load_seconds,
        "status": result.status,
        "answer": result.answer,
    }


def _failure_to_json(failure: Failure) -> dict[str, JsonValue]:
    return {"reason": failure.reason, "detail": failure.detail, "status": failure.status}
