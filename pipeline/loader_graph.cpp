#include <oneapi/tbb/flow_graph.h>
#include <oneapi/tbb/task_arena.h>

#include <tuple>

#include "pipeline/slot_home.h"
#include "pipeline/workers.h"

namespace millrace {
namespace {

namespace flow = tbb::flow;

/// A permit to work: which row it is for is decided when a body starts, from one cursor, so that the oldest open batch is
/// always finished first, although oneTBB runs the newest task first.
struct Ticket {};

struct Work {
  WorkSlot* slot = nullptr;
  int first = 0, count = 0;
  Workspace* workspace = nullptr; // Null: nothing to do, but the batch must be told.
};

class QueuedStream final : public BatchStream {
 public:
  QueuedStream(const RowWork& work, std::size_t prefetch, int local_rank, const LeasedSlots& home)
      : queue(prefetch, work.lane_of_queue(local_rank)), work_(work), local_rank_(local_rank), home_(home) {}
  std::optional<Batch> next() override {
    if (std::optional<Batch> batch = try_next()) return batch;
    const During wait(waits_, 1);
    std::optional<Batch> batch = leased(queue.pop());
    if (!batch) work_.rethrow_failure();
    return batch;
  }
  std::optional<Batch> try_next() override { return leased(queue.try_pop()); }
  LoaderSnapshot::OfStream seen() const {
    const Activity::Seen waits = waits_.seen();
    return {local_rank_, waits.kind ? seconds_between(waits.since, SteadyClock::now()) : 0, queue.stats()};
  }
  MeasuredQueue<Batch> queue;

 private:
  std::optional<Batch> leased(std::optional<Batch> batch) {
    if (batch) home_.slots()[static_cast<std::size_t>(batch->slot())]->moves_to(SlotPlace::leased);
    return batch;
  }
  const RowWork& work_;
  const int local_rank_;
  const LeasedSlots& home_;
  Activity waits_; // 1: in next(), where there was no batch.
};

/// plan -> decode -> augment -> batch, over slots that circulate. Batches are opened in one order, (step, rank), and
/// delivered in the same; a slot that comes home early waits for its rank's turn.
/// The graph runs on the workers and on no others: a trainer only sends its slot home.
class GraphEngine final : public LoaderEngine {
 public:
  GraphEngine(RowWork& work, const PlanOptions& plan, const RowFormat& format)
      : work_(work),
        plan_(plan),
        format_(format),
        ranks_(work.options().local_ranks),
        threads_(work.options().workers * ranks_),
        chunks_(static_cast<int>((plan_.max_rank_rows() + static_cast<std::uint64_t>(work.chunk_rows()) - 1) /
                                 static_cast<std::uint64_t>(work.chunk_rows()))),
        free_(static_cast<std::size_t>(ranks_)),
        arena_(threads_, static_cast<unsigned>(threads_)) {
    const LoaderOptions& options = work.options();
    const int rows = static_cast<int>(plan_.max_rank_rows());
    auto slots = work.make_slots(ranks_ * (options.prefetch + 2), rows);
    for (std::size_t i = 0; i < slots.size(); ++i) slots[i]->local_rank = static_cast<int>(i) % ranks_;
    home_ = std::make_shared<LeasedSlots>(work.memory(), work.slot_bytes(rows), std::move(slots),
                                          [this](WorkSlot& slot) { workers_->send(&slot); });
    open_ = std::vector<std::atomic<WorkSlot*>>(home_->slots().size());
    ready_.resize(home_->slots().size());
    end_ = options.batches ? *options.batches * static_cast<std::uint64_t>(ranks_) : ~std::uint64_t{0};
    for (int r = 0; r < ranks_; ++r) streams_.push_back(std::make_unique<QueuedStream>(work_, std::size_t(options.prefetch), r, *home_));
    if (end_ == 0) close_queues();
    arena_.execute([this] { nodes_.emplace(*this); });
    workers_.emplace(threads_, [this] { shift(); });
    for (const auto& slot : home_->slots()) workers_->send(slot.get());
  }

  ~GraphEngine() override {
    request_stop();
    home_->detach();
    workers_->dismiss();  // The last to leave a shift has seen the graph idle.
  }

  BatchStream& stream(int local_rank) override { return *streams_.at(static_cast<std::size_t>(local_rank)); }

  void request_stop() noexcept override {
    work_.stop = true;
    for (auto& stream : streams_) stream->queue.drain(); // The batches die, and their slots find nothing more to do.
  }

  std::vector<QueueStats> queue_stats() const override {
    std::vector<QueueStats> stats;
    for (const auto& stream : streams_) stats.push_back(stream->queue.stats());
    return stats;
  }
  std::uint64_t bytes() const override { return home_->bytes(); }
  void look(LoaderSnapshot& into) const override {
    home_->look(into.slots);
    for (const auto& stream : streams_) into.streams.push_back(stream->seen());
  }

 private:
  /// The graph of one loader. Several threads wait for it at once, which its context must allow.
  struct Nodes {
    using Plan = flow::multifunction_node<WorkSlot*, std::tuple<Ticket>>;
    using Decode = flow::function_node<Ticket, Work>;
    using Augment = flow::multifunction_node<Work, std::tuple<WorkSlot*>>;
    using Batch = flow::function_node<WorkSlot*>;

    explicit Nodes(GraphEngine& engine)
        : context(tbb::task_group_context::bound, tbb::task_group_context::default_traits | tbb::task_group_context::concurrent_wait),
          graph(context),
          plan(graph, flow::serial,
               [&engine](WorkSlot* slot, Plan::output_ports_type& ports) {
                 const int tickets = engine.open_batches(slot);
                 engine.workers_->call(tickets - 1);  // The first is this thread's.
                 for (int i = 0; i < tickets; ++i) std::get<0>(ports).try_put(Ticket{});
               }),
          decode(graph, flow::unlimited,
                 [&engine](Ticket) {
                   engine.collect_slots();
                   return engine.decode_next();
                 }),
          augment(graph, flow::unlimited,
                  [&engine](const Work& work, Augment::output_ports_type& ports) {
                    if (engine.augment_rows(work)) std::get<0>(ports).try_put(work.slot);
                  }),
          batch(graph, flow::serial, [&engine](WorkSlot* slot) {
            engine.deliver(slot);
            return flow::continue_msg();
          }) {
      flow::make_edge(flow::output_port<0>(plan), decode);
      flow::make_edge(decode, augment);
      flow::make_edge(flow::output_port<0>(augment), batch);
    }
    tbb::task_group_context context;
    flow::graph graph;
    Plan plan;
    Decode decode;
    Augment augment;
    Batch batch;
  };

  static int thread_index() { return tbb::this_task_arena::current_thread_index(); }

  void collect_slots() {
    workers_->collect([this](WorkSlot* slot) { nodes_->plan.try_put(slot); });
  }

  /// What a woken thread does: the graph's work, until the graph is idle.
  void shift() noexcept {
    try {
      arena_.execute([this] {
        collect_slots();
        nodes_->graph.wait_for_all();
      });
    } catch (...) {  // No memory for a task: bodies themselves never throw.
      fail(std::current_exception());
    }
  }

  /// Takes a slot that came home and opens as many batches as there are free slots, strictly in order; returns how many messages they
  /// make.
  int open_batches(WorkSlot* home) {
    free_[static_cast<std::size_t>(home->local_rank)].push_back(home);
    int tickets = 0;
    while (opened_ < end_ && !work_.stop) {
      const int rank = static_cast<int>(opened_ % static_cast<std::uint64_t>(ranks_));
      auto& free = free_[static_cast<std::size_t>(rank)];
      if (free.empty()) break;
      WorkSlot* slot = free.back();
      free.pop_back();
      try {
        const std::uint64_t number = work_.options().first_batch + opened_ / static_cast<std::uint64_t>(ranks_);
        work_.open(*slot, plan_, number, work_.options().first_rank + rank, thread_index());
      } catch (...) {
        fail(std::current_exception());
        break;
      }
      // Every batch makes the same number of messages, so that a message's number tells its batch; a short one's last are empty.
      slot->chunks_left.store(chunks_, std::memory_order_relaxed);
      open_[opened_ % open_.size()].store(slot, std::memory_order_release);
      ++opened_;
      tickets += chunks_;
    }
    return tickets;
  }

  Work decode_next() {
    // Acquire and release: this body may take the number of a ticket that another thread was given, and must see the batch
    // that was opened before that ticket was.
    const std::uint64_t n = cursor_.fetch_add(1, std::memory_order_acq_rel);
    const std::uint64_t sequence = n / static_cast<std::uint64_t>(chunks_);
    // Cannot have been overwritten: the next batch in this place has the same rank, and needs a slot that comes home only
    // after this batch, which waits for this message, was delivered.
    WorkSlot* slot = open_[sequence % open_.size()].load(std::memory_order_acquire);
    const int first = static_cast<int>(n % static_cast<std::uint64_t>(chunks_)) * work_.chunk_rows();
    const int count = std::min(work_.chunk_rows(), slot->planned_rows - first);
    if (count <= 0) return {slot, first, 0, nullptr};
    Workspace* workspace = nullptr;
    try {
      workspace = work_.workspaces.take();
    } catch (...) {
      std::lock_guard lock(slot->mutex);
      slot->error = std::current_exception();
      return {slot, first, 0, nullptr};
    }
    work_.decode(*slot, first, count, *workspace, thread_index());
    return {slot, first, count, workspace};
  }

  /// True: that was the batch's last message.
  bool augment_rows(const Work& work) {
    if (work.workspace) {
      work_.augment(*work.slot, work.first, work.count, *work.workspace, thread_index());
      work_.workspaces.give_back(work.workspace);
    }
    if (work.slot->chunks_left.fetch_sub(1, std::memory_order_acq_rel) != 1) return false;
    work.slot->moves_to(SlotPlace::complete);
    return true;
  }

  void deliver(WorkSlot* slot) {
    const auto ranks = static_cast<std::uint64_t>(ranks_);
    const std::uint64_t sequence = (slot->batch - work_.options().first_batch) * ranks + static_cast<std::uint64_t>(slot->local_rank);
    ready_[sequence % ready_.size()] = slot;
    while (WorkSlot* next = std::exchange(ready_[delivered_ % ready_.size()], nullptr)) {
      const auto began = SteadyClock::now();
      work_.activities.works(thread_index(), Stage::batch, next->batch, began);
      ++delivered_;
      const bool last_of_rank = delivered_ + ranks > end_;
      if (!work_.stop) {
        try {
          work_.finish(*next);
          work_.judge(*next);
          const auto ended = SteadyClock::now();
          work_.book(thread_index(), Stage::batch, began, ended, static_cast<std::uint64_t>(next->planned_rows), next->batch);
          next->where.set(static_cast<unsigned>(SlotPlace::queued), next->batch, ended);
          QueuedStream& stream = *streams_[static_cast<std::size_t>(next->local_rank)];
          stream.queue.push(Batch(home_, *next, format_));
          if (last_of_rank) stream.queue.close();
        } catch (...) {
          fail(std::current_exception());
        }
      }
      work_.activities.rests(thread_index(), SteadyClock::now());
    }
  }

  /// The first failure ends the run: what was delivered before it can still be taken.
  void fail(std::exception_ptr error) {
    work_.fail(error);
    close_queues();
  }

  void close_queues() {
    for (auto& stream : streams_) stream->queue.close();
  }

  RowWork& work_;
  Plan plan_; // Used by the serial plan node only.
  const RowFormat format_;
  const int ranks_;
  const int threads_;
  const int chunks_; // Messages a batch.
  std::shared_ptr<LeasedSlots> home_;
  std::vector<std::unique_ptr<QueuedStream>> streams_;
  std::vector<std::vector<WorkSlot*>> free_; // Of each local rank.
  std::vector<std::atomic<WorkSlot*>> open_;
  std::vector<WorkSlot*> ready_; // Finished, waiting for their turn.
  std::uint64_t opened_ = 0, delivered_ = 0, end_ = 0; // In (step, rank) order.
  alignas(128) std::atomic<std::uint64_t> cursor_{0};

  tbb::task_arena arena_;        // All of its places are the workers': no thread of oneTBB's own ever comes.
  std::optional<Nodes> nodes_;
  std::optional<Workers<WorkSlot*>> workers_;  // Last: its threads use everything above.
};

}  // namespace

std::unique_ptr<LoaderEngine> make_graph_engine(RowWork& work, const PlanOptions& plan, const RowFormat& format) {
  return std::make_unique<GraphEngine>(work, plan, format);
}

}  // namespace millrace
