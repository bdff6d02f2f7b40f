"""What the demo promises about ports."""

import socket

from gateway.demo import ports


def test_a_taken_port_is_replaced_by_a_free_one() -> None:
    """The others stay as wanted."""
    with socket.socket() as taken, socket.socket() as free:
        taken.bind((ports.HOST, 0))
        taken.listen()
        free.bind((ports.HOST, 0))
        busy, idle = taken.getsockname()[1], free.getsockname()[1]
        free.close()

        chosen = ports.choose({"gRPC": busy, "HTTP": idle})

    assert idle == chosen["HTTP"]
    assert chosen["gRPC"] not in (busy, idle)


def test_ports_are_chosen_once() -> None:
    """Two servers never get the same port, also where all are chosen by the system."""
    chosen = ports.choose(dict.fromkeys("abcdefgh", 0))

    assert 8 == len(set(chosen.values()))


def test_a_base_gives_five_ports_in_a_row() -> None:
    """They are gRPC, HTTP, MLflow, metrics and status, in this order."""
    expected = {"gRPC": 9000, "HTTP": 9001, "MLflow": 9002, "metrics": 9003, "status": 9004}

    assert expected == ports.wanted(9000)
    assert [4317, 4318, 5000, 8888, 13133] == list(ports.wanted(None).values())
