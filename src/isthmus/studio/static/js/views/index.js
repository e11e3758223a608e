/**
 * All views, in one place. `pattern` is the address after #/, `nav` puts a view in the bar, `tab` among those
 * of a run, and `needs` names what the backend must be able to do.
 */
export const views = [
  { name: "runs", pattern: "runs", nav: "Runs", needs: "runs", load: () => import("isthmus/views/runs.js") },
  {
    name: "compare",
    pattern: "compare/:a/:b",
    needs: "runs",
    load: () => import("isthmus/views/compare.js"),
  },
  {
    name: "explore",
    pattern: "run/:run/explore",
    tab: "Explore",
    load: () => import("isthmus/views/explore.js"),
  },
  {
    name: "train",
    pattern: "train",
    nav: "Train",
    needs: "train",
    load: () => import("isthmus/views/train.js"),
  },
  {
    name: "train",
    pattern: "train/:fit",
    needs: "train",
    load: () => import("isthmus/views/train_fit.js"),
  },
  { name: "paths", pattern: "run/:run/paths", tab: "Paths", load: () => import("isthmus/views/paths.js") },
  {
    name: "lab",
    pattern: "run/:run/lab",
    tab: "Reconstruct",
    needs: "lab",
    load: () => import("isthmus/views/lab.js"),
  },
  {
    name: "own",
    pattern: "run/:run/own",
    tab: "Your own",
    needs: "own",
    load: () => import("isthmus/views/own.js"),
  },
];
