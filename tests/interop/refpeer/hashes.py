"""The hash functions of section 7.6, by their code on the wire."""
import hashlib
from typing import NamedTuple


class Hash(NamedTuple):
    code: int
    name: str
    length: int
    new: object

    def of(self, *parts):
        digest = self.new()
        for part in parts:
            digest.update(part)
        return digest.digest()

    def of_children(self, left, right):
        """The hash of a parent. Two children of zeros are padding and give zeros (5.1)."""
        return self.zero if left == right == self.zero else self.of(left, right)

    @property
    def zero(self):
        return bytes(self.length)


BY_CODE = {0: Hash(0, "sha1", 20, hashlib.sha1), 1: Hash(1, "sha224", 28, hashlib.sha224), 2: Hash(2, "sha256", 32, hashlib.sha256),
           3: Hash(3, "sha384", 48, hashlib.sha384), 4: Hash(4, "sha512", 64, hashlib.sha512)}
BY_NAME = {h.name: h for h in BY_CODE.values()}
