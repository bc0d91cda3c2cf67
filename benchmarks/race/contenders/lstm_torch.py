"""The course's LSTM in PyTorch: `nn.LSTM`, eager; and a step of a cell by hand, compiled."""

from __future__ import annotations

import os
from collections.abc import Callable

import torch
from torch import nn

from benchmarks.race.contenders import lstm_values
from benchmarks.race.contenders.lstm_values import CANDIDATE, ENTER, FORGET, LEAVE
from benchmarks.race.contenders.task import Figures, Task, steps_per_second


class Model(nn.Module):
    """`nn.LSTM` and a linear layer on its last output."""

    def __init__(self, units: int) -> None:
        super().__init__()
        start = lstm_values.begin(units)
        kernel, bias = start.in_order((ENTER, FORGET, CANDIDATE, LEAVE))
        self.lstm = nn.LSTM(1, units, batch_first=True)
        self.last = nn.Linear(units, 1)
        values = {
            "lstm.weight_ih_l0": kernel[:1].T.copy(),
            "lstm.weight_hh_l0": kernel[1:].T.copy(),
            "lstm.bias_ih_l0": bias,
            "lstm.bias_hh_l0": 0 * bias,
            "last.weight": start.weight.T.copy(),
            "last.bias": start.shift,
        }
        self.load_state_dict({name: torch.from_numpy(value) for name, value in values.items()})
        self.lstm.bias_hh_l0.requires_grad_(False)  # PyTorch has two biases, which together would learn twice as fast

    def forward(self, histories: torch.Tensor) -> torch.Tensor:
        """float32 [batch, 9, 1] to [batch, 1]."""
        outputs, _ = self.lstm(histories)
        return self.last(outputs[:, -1])


class UnrolledModel(Model):
    """The same weights, the cell written out, which is what a compiler can fuse."""

    def forward(self, histories: torch.Tensor) -> torch.Tensor:
        """float32 [batch, 9, 1] to [batch, 1]."""
        cell = hidden = histories.new_zeros(histories.shape[0], self.lstm.hidden_size)
        lstm = self.lstm
        for step in range(histories.shape[1]):
            inputs = nn.functional.linear(histories[:, step], lstm.weight_ih_l0, lstm.bias_ih_l0)
            gates = inputs + hidden @ lstm.weight_hh_l0.T
            enter, forget, candidate, leave = gates.chunk(4, 1)
            cell = cell * torch.sigmoid(forget) + torch.sigmoid(enter) * torch.tanh(candidate)
            hidden = torch.tanh(cell) * torch.sigmoid(leave)
        return self.last(hidden)


def measured(task: Task, begin: Callable[[int], tuple[Model, Callable[[torch.Tensor, torch.Tensor], None]]]) -> Figures:
    """Trains on tensors that the file was read into; `begin(units)` makes a model and its step."""
    torch.set_num_threads(task["threads"] or os.cpu_count() or 1)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.set_default_device(device)
    histories, labels = (torch.from_numpy(stack.copy()).to(device) for stack in lstm_values.batches(task))
    batches = list(zip(histories[..., None], labels, strict=True))
    loss = None
    if task["check"]:
        model, step = begin(task["units"])
        train(step, batches, task["check_steps"])
        with torch.no_grad():
            loss = float(nn.functional.mse_loss(model(histories.reshape(-1, 9, 1)), labels.reshape(-1, 1)))
    _, step = begin(task["units"])
    return Figures(rate=steps_per_second(task, lambda steps: train(step, batches, steps)), loss=loss)


def train(step: Callable[[torch.Tensor, torch.Tensor], None], batches: list, steps: int) -> None:
    """So many steps over the batches, from their beginning."""
    for number in range(steps):
        step(*batches[number % len(batches)])
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def begin_eager(units: int) -> tuple[Model, Callable[[torch.Tensor, torch.Tensor], None]]:
    """A model and its step, op by op."""
    model = Model(units)
    learned = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.SGD(learned, lstm_values.LEARNING_RATE)

    def step(histories: torch.Tensor, labels: torch.Tensor) -> None:
        optimizer.zero_grad(set_to_none=True)
        nn.functional.mse_loss(model(histories), labels).backward()
        optimizer.step()

    return model, step


def eager(task: Task) -> Figures:
    """The loop that PyTorch's tutorials have."""
    return measured(task, begin_eager)


def compiled(task: Task) -> Figures:
    """Loss, gradients and update, each compiled by inductor."""

    def begin(units: int) -> tuple[Model, Callable[[torch.Tensor, torch.Tensor], None]]:
        model = UnrolledModel(units)
        learned = [weight for weight in model.parameters() if weight.requires_grad]
        optimizer = torch.optim.SGD(learned, lstm_values.LEARNING_RATE)
        loss = torch.compile(lambda histories, labels: nn.functional.mse_loss(model(histories), labels))
        update = torch.compile(optimizer.step)

        def step(histories: torch.Tensor, labels: torch.Tensor) -> None:
            optimizer.zero_grad(set_to_none=True)
            loss(histories, labels).backward()
            update()

        return model, step

    return measured(task, begin)
