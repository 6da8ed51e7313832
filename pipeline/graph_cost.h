#pragma once

namespace millrace {

/// What the flow graph itself costs, apart from the work in its nodes.
struct GraphCost {
  double microseconds_per_message = 0; ///< One worker's time outside the stages' clocks, over the messages between nodes.
  double images_per_second = 0;        ///< Of rows that need no work, one a message: the graph's ceiling.
};

/// Runs a graph of one worker over empty rows, one a message, for about `seconds`.
GraphCost measure_graph_cost(double seconds);

/// What one entry in a stage's clock costs: two looks at the time and the booking, in seconds. Median of short runs, about 1 ms.
double measure_clock_cost();

}  // namespace millrace
