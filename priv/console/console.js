"use strict";

// Questions go by POST, subscriptions over a WebSocket, both to the address that the page came from.
const socket = new URL("/graphql", location);
socket.protocol = location.protocol === "https:" ? "wss:" : "ws:";

ReactDOM.createRoot(document.getElementById("console")).render(
  React.createElement(GraphiQL, {
    fetcher: GraphiQL.createFetcher({ url: "/graphql", subscriptionUrl: socket.href }),
    defaultQuery: "{\n  health {\n    status\n    version\n  }\n}\n",
    defaultEditorToolsVisibility: "variables",
  }),
);
