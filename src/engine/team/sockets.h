// What is asked of the network before there is a team.
#pragma once
#include <string>

namespace canal {

// True if somebody listens there; waits at most a quarter of a second.
bool somebody_listens(const std::string& address, int port);

// This machine's own numeric address on the way to that one; "" where the name is not known. Its
// name, which Gloo would take, is that of the loopback on many systems.
std::string own_address_towards(const std::string& address, int port);

bool is_loopback(const std::string& numeric_address);

}  // namespace canal
