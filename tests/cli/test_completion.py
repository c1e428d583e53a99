"""`boxbridge completion`, tried in the shells that are there."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

BOXBRIDGE = Path(sys.executable).with_name("boxbridge")


def completion(*arguments: str, shell: str = "/bin/bash") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [BOXBRIDGE, "completion", *arguments],
        capture_output=True,
        text=True,
        env={"SHELL": shell, "PATH": "/usr/bin:/bin"},
        timeout=30,
        check=False,
    )


def test_bash_completes_a_command_with_the_script(tmp_path: Path) -> None:
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("bash is not installed here")
    (tmp_path / "script").write_text(completion("bash").stdout)
    code = (
        f'source {tmp_path}/script; COMP_WORDS=(boxbridge comp); COMP_CWORD=1; _boxbridge_completion "{BOXBRIDGE}"; '
        'echo "${COMPREPLY[@]}"'
    )
    done = subprocess.run([bash, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout == "completion\n"


@pytest.mark.parametrize(("shell", "sign"), [("zsh", "#compdef boxbridge"), ("fish", "complete --no-files")])
def test_each_shell_gets_its_own_script(shell: str, sign: str) -> None:
    assert sign in completion(shell).stdout


def test_without_a_name_it_is_the_users_shell() -> None:
    assert completion(shell="/usr/bin/fish").stdout == completion("fish").stdout


def test_a_shell_that_is_not_known_is_a_usage_error() -> None:
    done = completion(shell="/bin/sh")
    assert done.returncode == 2
    assert "bash, zsh, fish" in done.stderr
