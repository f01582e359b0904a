"""A client of yaml-language-server, which VS Code and other editors run for YAML files."""

import itertools
import json
import subprocess
from pathlib import Path
from typing import Any, Self


class LanguageServer:
    """A running server. Its settings are the defaults of editors, without schemas from the network."""

    def __init__(self, program: str, directory: Path) -> None:
        self._process = subprocess.Popen(
            [program, "--stdio"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        self._numbers = itertools.count(1)
        self._diagnostics: dict[str, list[dict[str, Any]]] = {}
        folder = [{"uri": directory.as_uri(), "name": "configuration"}]
        markdown = {"contentFormat": ["markdown"]}
        capabilities = {
            "textDocument": {"hover": markdown, "completion": {}},
            "workspace": {"configuration": True},
        }
        self.request(
            "initialize",
            {
                "processId": None,
                "rootUri": directory.as_uri(),
                "workspaceFolders": folder,
                "capabilities": capabilities,
            },
        )
        self._send({"method": "initialized", "params": {}})

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def diagnostics(self, file: Path) -> list[str]:
        """Open a file, and return the problems that an editor underlines: ``LINE: MESSAGE``."""
        uri = file.as_uri()
        document = {"uri": uri, "languageId": "yaml", "version": 1, "text": file.read_text(encoding="utf-8")}
        self._diagnostics.pop(uri, None)
        self._send({"method": "textDocument/didOpen", "params": {"textDocument": document}})
        while uri not in self._diagnostics:
            self._receive()
        return [
            f"{found['range']['start']['line'] + 1}: {found['message']}" for found in self._diagnostics[uri]
        ]

    def hover(self, file: Path, line: int, column: int) -> str:
        """Return what an editor shows at a position of an open file."""
        answer = self.request("textDocument/hover", _position(file, line, column))
        return str(answer["contents"]["value"]) if answer else ""

    def completions(self, file: Path, line: int, column: int) -> list[str]:
        """Return what an editor suggests at a position of an open file."""
        answer = self.request("textDocument/completion", _position(file, line, column))
        return [item["label"] for item in answer["items"]]

    def request(self, method: str, parameters: dict[str, Any]) -> Any:
        """Return the result of a request."""
        number = next(self._numbers)
        self._send({"id": number, "method": method, "params": parameters})
        while True:
            message = self._receive()
            if message.get("id") == number and "method" not in message:
                return message.get("result")

    def _receive(self) -> dict[str, Any]:
        """Read one message, and answer a request of the server."""
        assert self._process.stdout is not None
        length = 0
        while line := self._process.stdout.readline().strip():
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        message: dict[str, Any] = json.loads(self._process.stdout.read(length))
        if message.get("method") == "textDocument/publishDiagnostics":
            self._diagnostics[message["params"]["uri"]] = message["params"]["diagnostics"]
        elif message.get("method") == "workspace/configuration":
            yaml = {"validate": True, "hover": True, "completion": True, "schemaStore": {"enable": False}}
            items = message["params"]["items"]
            result = [yaml if item.get("section") == "yaml" else {} for item in items]
            self._send({"id": message["id"], "result": result})
        elif "id" in message and "method" in message:
            self._send({"id": message["id"], "result": None})
        return message

    def _send(self, message: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self._process.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        self._process.stdin.flush()


def _position(file: Path, line: int, column: int) -> dict[str, Any]:
    position = {"line": line - 1, "character": column - 1}
    return {"textDocument": {"uri": file.as_uri()}, "position": position}
