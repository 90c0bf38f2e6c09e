from collections.abc import Callable

class Signal:
    def connect(self, receiver: Callable[..., object], *, weak: bool = ..., dispatch_uid: str | None = ...) -> None: ...

before_task_publish: Signal
task_prerun: Signal
task_postrun: Signal
worker_process_shutdown: Signal
worker_shutdown: Signal
