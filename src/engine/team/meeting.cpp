#ifdef CANALR_GLOO
#include "engine/team/meeting.h"

#include <algorithm>
#include <thread>

#include "engine/team/gloo_inside.h"
#include "engine/team/sockets.h"

namespace canal {

std::chrono::milliseconds Deadline::left() const {
  const auto rest = std::chrono::duration_cast<std::chrono::milliseconds>(end_ - Clock::now());
  return std::max(rest, std::chrono::milliseconds(1));
}

std::string place_name(const TeamOptions& o) { return o.address + ":" + std::to_string(o.port); }

namespace {

[[noreturn]] void fail(const std::string& message) { throw Error(ErrorKind::team, message); }

// Polls, so that Ctrl-C is seen.
template <class Condition>
bool wait_until(const Deadline& deadline, const Control& control, Condition&& holds) {
  for (auto pause = std::chrono::milliseconds(1); !holds();) {
    control.check();
    if (deadline.passed()) return false;
    std::this_thread::sleep_for(pause);
    pause = std::min(2 * pause, std::chrono::milliseconds(50));
  }
  return true;
}

std::vector<uint8_t> bytes_of(const std::string& text) { return {text.begin(), text.end()}; }

std::string text_of(const std::vector<uint8_t>& bytes) { return {bytes.begin(), bytes.end()}; }

c10::intrusive_ptr<c10d::TCPStore> open_table(const TeamOptions& options, const Deadline& deadline,
                                              const Control& control) {
  const bool holds_table = options.rank == 0;
  auto listens = [&] { return somebody_listens(options.address, options.port); };
  if (holds_table && listens()) {
    fail("Rank 0 cannot listen at " + place_name(options) + ": somebody else does.");
  }
  if (!holds_table && !wait_until(deadline, control, listens)) {
    fail("Rank 0 does not listen at " + place_name(options) + ".");
  }
  c10d::TCPStoreOptions how = store_options();
  how.port = static_cast<uint16_t>(options.port);
  how.isServer = holds_table;
  // Less than a second is no time for c10d, and Ctrl-C is looked for before and after.
  how.timeout = std::max(deadline.left(), std::chrono::milliseconds(2000));
  try {
    return c10::make_intrusive<c10d::TCPStore>(options.address, how);
  } catch (...) {
    fail("No meeting at " + place_name(options) + ": " + describe_current_exception().message);
  }
}

// What makes a team impossible is told to those who wait, too.
class RollCall {
 public:
  RollCall(const TeamOptions& options, c10d::TCPStore& table) : options_(options), table_(table) {}

  void hold(const std::string& own_address, const Deadline& deadline, const Control& control) {
    const std::string rank = std::to_string(options_.rank);
    const std::string size = std::to_string(options_.size);
    if (table_.add("rank " + rank, 1) != 1) refuse("Two workers have rank " + rank + ".");
    const std::string agreed = text_of(table_.compareSet("size", {}, bytes_of(size)));
    if (agreed != size) refuse("Workers expect teams of " + agreed + " and of " + size + ".");
    check_address(own_address);
    table_.add("present", 1);
    if (!wait_until(deadline, control, [this] { return complete(); })) {
      fail("Only " + std::to_string(table_.add("present", 0)) + " of " + size +
           " workers have come to " + place_name(options_) + ".");
    }
  }

 private:
  [[noreturn]] void refuse(const std::string& reason) {
    table_.set("refused", bytes_of(reason));
    fail(reason);
  }

  bool complete() {
    if (table_.check({"refused"})) fail(text_of(table_.get("refused")));
    return table_.add("present", 0) >= options_.size;
  }

  // A worker on another machine cannot reach rank 0 at a loopback address.
  void check_address(const std::string& own) {
    if (options_.rank == 0) {
      table_.set("address", bytes_of(own));
      return;
    }
    const std::string first = text_of(table_.get("address"));
    if (is_loopback(first) == is_loopback(own)) return;
    refuse("Rank 0 has the address " + first + " and rank " + std::to_string(options_.rank) + " " +
           own +
           ". Give rank 0's address as a number, or name the network interface in "
           "GLOO_SOCKET_IFNAME.");
  }

  const TeamOptions& options_;
  c10d::TCPStore& table_;
};

}  // namespace

Meeting meet(const TeamOptions& options, const Deadline& deadline, const Control& control) {
  const std::string own = own_address_towards(options.address, options.port);
  if (own.empty()) fail("There is no way to the address \"" + options.address + "\".");
  Meeting meeting{open_table(options, deadline, control), own};
  RollCall(options, *meeting.table).hold(own, deadline, control);
  return meeting;
}

}  // namespace canal
#endif
