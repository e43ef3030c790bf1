# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Audio devices by their names, and what to do when they go away. Devices are those of PortAudio."""

import sys
import threading
from contextlib import suppress

import sounddevice

from reference.errors import LLVCError, one_line

# PortAudio lists a device once for each interface of the system: of several the first of these is taken.
HOST_APIS = ("Windows WASAPI", "Windows DirectSound", "MME", "Windows WDM-KS")
CLOSE_S = 3.0  # after which a device that does not close is left alone


class DeviceError(LLVCError):
    """An audio device that cannot be used."""


def find_device(name, direction):
    """What sounddevice takes for a device: None (the default), a number, or of a part of a name the one it names.

    direction: "input" or "output". Of a device that several host APIs have, the one of HOST_APIS that comes first is
    taken, and said. DeviceError if none or several devices are meant.
    """
    if name is None or isinstance(name, int):
        return name
    apis = [api["name"] for api in _host_apis()]
    found = []
    for number, device in enumerate(sounddevice.query_devices()):
        full = f"{device['name']}, {apis[device['hostapi']]}"
        if device[f"max_{direction}_channels"] > 0 and name.lower() in full.lower():
            found.append((number, device["name"], apis[device["hostapi"]]))
    exact = [entry for entry in found if name.lower() in (entry[1].lower(), f"{entry[1]}, {entry[2]}".lower())]
    matches = exact or found
    if len(matches) > 1:
        ranks = {api: HOST_APIS.index(api) if api in HOST_APIS else len(HOST_APIS) for _, _, api in matches}
        best = min(ranks.values())
        chosen = [entry for entry in matches if ranks[entry[2]] == best]
        if len(chosen) == 1:
            line = f"{direction}: {chosen[0][1]} by {chosen[0][2]}, one of {len(matches)} of that name"
            print(line, file=sys.stderr)
        matches = chosen
    if len(matches) == 1:
        return matches[0][0]
    if not matches:
        raise DeviceError(f"{direction} device {name!r}: there is none of that name; see --list_devices")
    names = "; ".join(f"{number} {device}, {api}" for number, device, api in matches)
    raise DeviceError(f"{direction} device {name!r}: is several ({names}); give a number or more of the name")


def _host_apis():
    try:
        return sounddevice.query_hostapis()
    except sounddevice.PortAudioError as error:
        raise DeviceError(f"the sound system does not answer ({one_line(error)})") from None


def open_stream(direction, name, rate, callback, channel=1):
    """A stream of a device at this rate (Hz) or, where it has not that, at its own: (rate, stream).

    channel: of an input, counted from 1; the callback gets all channels up to it. DeviceError if it cannot be used.
    """
    kind = {"input": sounddevice.InputStream, "output": sounddevice.OutputStream}[direction]
    check = {"input": sounddevice.check_input_settings, "output": sounddevice.check_output_settings}[direction]
    shown = "the default" if name is None else repr(name)
    device = find_device(name, direction)
    try:
        facts = sounddevice.query_devices(device, direction)
        if facts[f"max_{direction}_channels"] < channel:
            channels = facts[f"max_{direction}_channels"]
            raise DeviceError(f"{direction} device {shown}: has {channels} channels, and no number {channel}")
        try:
            check(device, channels=channel, dtype="float32", samplerate=rate)
        except sounddevice.PortAudioError:
            rate = int(facts["default_samplerate"])
        options = {"channels": channel, "dtype": "float32", "latency": "low", "callback": callback}
        return rate, kind(samplerate=rate, device=device, **options)
    except DeviceError:
        raise
    except (sounddevice.PortAudioError, ValueError) as error:
        reason = one_line(error)
        raise DeviceError(f"{direction} device {shown}: cannot be used ({reason}); see --list_devices") from None


def close_streams(streams):
    """Closes streams; returns whether they did. Those of a sound system that is gone may never."""

    def close():
        for stream in streams:
            with suppress(sounddevice.PortAudioError):
                stream.abort()
            with suppress(sounddevice.PortAudioError):
                stream.close()

    thread = threading.Thread(target=close, daemon=True)
    thread.start()
    thread.join(CLOSE_S)
    return not thread.is_alive()


def look_again():
    """Has PortAudio list the devices anew; no stream may be open. DeviceError if there is no sound system."""
    try:
        sounddevice._terminate()  # the only way to it: PortAudio lists devices when it starts
        sounddevice._initialize()
    except sounddevice.PortAudioError as error:
        raise DeviceError(f"the sound system does not answer ({one_line(error)})") from None
