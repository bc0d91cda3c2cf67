"""DLinear in PyTorch, as the paper's program has it, on windows gathered from a tensor."""

from __future__ import annotations

import os
from collections.abc import Callable

import torch
from torch import nn

from benchmarks.race.contenders import windows_values
from benchmarks.race.contenders.task import Figures, Task, steps_per_second
from benchmarks.race.contenders.windows_values import CHECKED_BATCHES, HORIZON, LOOKBACK, START, TREND_WIDTH

Step = Callable[[torch.Tensor], torch.Tensor]


class DLinear(nn.Module):
    """Trend and remainder, a linear map each."""

    def __init__(self) -> None:
        super().__init__()
        self.average = nn.AvgPool1d(TREND_WIDTH, stride=1)
        self.remainder, self.trend = nn.Linear(LOOKBACK, HORIZON), nn.Linear(LOOKBACK, HORIZON)
        for linear in (self.remainder, self.trend):
            nn.init.constant_(linear.weight, START)
            nn.init.zeros_(linear.bias)

    def forward(self, history: torch.Tensor) -> torch.Tensor:
        """float32 [batch, 336, columns] to [batch, 96, columns]."""
        history = history.transpose(1, 2)
        half = TREND_WIDTH // 2
        trend = self.average(nn.functional.pad(history, (half, half), mode="replicate"))
        return (self.remainder(history - trend) + self.trend(trend)).transpose(1, 2)


def measured(task: Task, prepare: Callable[[Step], Step]) -> Figures:
    """`prepare` compiles the loss, or not."""
    torch.set_num_threads(task["threads"] or os.cpu_count() or 1)
    windows = torch.from_numpy(windows_values.series(task)).unfold(0, LOOKBACK + HORIZON, 1).transpose(1, 2)
    order = torch.from_numpy(windows_values.order(task))

    def begin() -> tuple[Step, Callable[[int], None]]:
        model = DLinear()
        optimizer = torch.optim.Adam(model.parameters(), windows_values.LEARNING_RATE, fused=True)

        @prepare
        def loss_of(batch: torch.Tensor) -> torch.Tensor:
            return nn.functional.mse_loss(model(batch[:, :LOOKBACK]), batch[:, LOOKBACK:])

        def train(steps: int) -> None:
            for number in range(steps):
                optimizer.zero_grad(set_to_none=True)
                loss_of(windows[order[number % len(order)]]).backward()
                optimizer.step()

        return loss_of, train

    loss = None
    if task["check"]:
        loss_of, train = begin()
        train(task["check_steps"])
        with torch.no_grad():
            loss = float(torch.stack([loss_of(windows[starts]) for starts in order[:CHECKED_BATCHES]]).mean())
    return Figures(rate=steps_per_second(task, begin()[1]), loss=loss)


def eager(task: Task) -> Figures:
    """Op by op, with the fused Adam."""
    return measured(task, lambda loss: loss)


def compiled(task: Task) -> Figures:
    """Loss and gradients compiled by inductor."""
    return measured(task, torch.compile)
