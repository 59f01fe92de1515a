"""The relay's network is as bad as it says, and just as bad with the same seed."""

import pytest

from bad_network import Weather, fate

pytestmark = pytest.mark.chapter("09_udp")

MANY = [b"%d" % number for number in range(4000)]


def fates(seed, direction="there", weather=Weather()):
    return [fate(weather, seed, direction, datagram, times) for datagram in MANY for times in range(2)]


def test_the_same_seed_is_the_same_network():
    assert fates(1) == fates(1)
    assert fates(1) != fates(2)
    assert fates(1) != fates(1, "back")


def test_so_many_are_lost_and_so_many_come_twice():
    found = fates(1)
    arrived = [delays for delays in found if delays]
    assert abs(1 - len(arrived) / len(found) - 0.3) < 0.02
    assert abs(sum(len(delays) == 2 for delays in arrived) / len(arrived) - 0.1) < 0.02


def test_what_is_asked_again_has_another_fate():
    lost_twice = sum(not first and not second for first, second in zip(fates(1)[::2], fates(1)[1::2]))
    assert abs(lost_twice / len(MANY) - 0.09) < 0.02


def test_the_delay_has_a_bound():
    delays = [delay for each in fates(1) for delay in each]
    assert 0 <= min(delays) < max(delays) <= Weather().delay


def test_a_good_network_changes_nothing():
    assert fates(1, weather=Weather(0, 0, 0)) == [[0]] * (2 * len(MANY))
