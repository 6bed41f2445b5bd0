// Loaded before dynalite: a request that makes it throw is not answered, and not its end.

const { Server } = require('node:http');

let last;
const emit = Server.prototype.emit;
Server.prototype.emit = function (event, request, response) {
    if (event === 'request') last = response;
    return emit.apply(this, arguments);
};
process.on('uncaughtException', () => last?.destroy());
