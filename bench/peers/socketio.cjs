// A server as socket.io's documentation shows it: what is posted to /pub is emitted to everybody.
const http = require('node:http')
const { Server } = require('socket.io')

const server = http.createServer((request, response) => {
  const parts = []
  request.on('data', (part) => parts.push(part))
  request.on('end', () => {
    io.emit('m', Buffer.concat(parts).toString())
    response.end()
  })
})
const io = new Server(server, { transports: ['websocket'] })
server.listen(Number(process.argv[2]), '127.0.0.1', 4096)
