"""Who speaks, from the levels that browsers write on each packet of sound (RFC 6464), and whose sound is forwarded. Pure.

With at most as many others as slots everybody is heard always. Beyond that the last to have spoken are: somebody who begins takes the
place of whoever has been silent longest, and nobody loses a place within KEEP_S of speaking, so that a cough moves nobody.
"""

from typing import Final

SPEECH_DBOV: Final = 50  # RFC 6464: 0 is the loudest, 127 silence
RISE: Final = 0.3
FALL: Final = 0.05
SPEAKING_S: Final = 0.6
KEEP_S: Final = 2.0


class _Voice:
    __slots__ = ("began", "loud", "spoke")

    def __init__(self) -> None:
        self.loud = 0.0
        self.spoke = -1e9
        self.began = -1e9


class Voices:
    """The voices of one room."""

    __slots__ = ("_heard", "_voices")

    def __init__(self) -> None:
        self._voices: dict[str, _Voice] = {}
        self._heard: list[str] = []

    def add(self, peer: str) -> None:
        self._voices.setdefault(peer, _Voice())

    def remove(self, peer: str) -> None:
        self._voices.pop(peer, None)
        if peer in self._heard:
            self._heard.remove(peer)

    def level(self, peer: str, dbov: int, now: float) -> bool:
        """A packet's level. True where this voice began to speak just now: time to look at `heard` again."""
        voice = self._voices.get(peer)
        if voice is None:
            return False
        loud = float(127 - dbov)
        voice.loud += (loud - voice.loud) * (RISE if loud > voice.loud else FALL)
        if dbov > SPEECH_DBOV or voice.loud < 127 - SPEECH_DBOV:
            return False
        began = now - voice.spoke > SPEAKING_S
        if began:
            voice.began = now
        voice.spoke = now
        return began

    def speaking(self, now: float) -> list[str]:
        """Who speaks, the loudest first."""
        found = [(voice.loud, peer) for peer, voice in self._voices.items() if now - voice.spoke <= SPEAKING_S]
        return [peer for _, peer in sorted(found, key=lambda pair: (-pair[0], pair[1]))]

    def heard(self, count: int, now: float) -> list[str]:
        """Whose sound is forwarded, at most `count`, who spoke last first. Places change only as said above."""
        heard = self._heard
        for peer in self._voices:
            if peer not in heard and len(heard) < count:
                heard.append(peer)
        while len(heard) > count:
            heard.remove(min(heard, key=self._spoke))
        for peer in self.speaking(now):
            if peer in heard:
                continue
            quietest = min(heard, key=self._spoke, default=None)
            if quietest is None or now - self._spoke(quietest) <= KEEP_S:
                break
            heard[heard.index(quietest)] = peer
        return sorted(heard, key=self._spoke, reverse=True)

    def _spoke(self, peer: str) -> float:
        return self._voices[peer].spoke
