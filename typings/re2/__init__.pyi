from typing import AnyStr, Generic

class error(Exception): ...

class Options:
    max_mem: int
    never_capture: bool
    log_errors: bool

class _Match(Generic[AnyStr]): ...

class _Regexp(Generic[AnyStr]):
    @property
    def programsize(self) -> int: ...
    def search(self, text: AnyStr) -> _Match[AnyStr] | None: ...

def compile(pattern: AnyStr, options: Options) -> _Regexp[AnyStr]: ...
