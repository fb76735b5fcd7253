/* SPDX-License-Identifier: ISC */
/*
 * The house: what each room is for, and its headers.  Nothing is defined
 * here.  A room knows those above it in this file, and never those below.
 */
#ifndef PROXY_H
#define PROXY_H

/* base: what every process needs: system calls, the log, addresses, the clock */
#include "addr.h"
#include "array.h"
#include "bounds.h"
#include "clock.h"
#include "compiler.h"
#include "inlet.h"
#include "landlock.h"
#include "log.h"
#include "memo.h"
#include "name.h"
#include "place.h"
#include "program.h"
#include "record.h"
#include "safefile.h"
#include "sandbox.h"
#include "seccomp.h"
#include "secret.h"
#include "socket.h"
#include "sys.h"
#include "tally.h"
#include "text.h"

/* ipc: what the processes say to each other */
#include "args.h"
#include "baton.h"
#include "board.h"
#include "orders.h"
#include "question.h"
#include "session.h"
#include "share.h"
#include "turns.h"

/* io: bytes between sockets: the poll set, the lot, the race, the relay */
#include "loop.h"
#include "lot.h"
#include "pipe.h"
#include "race.h"
#include "relay.h"
#include "tunnel.h"

/* http: HTTP as text: requests, answers, pages */
#include "fields.h"
#include "front.h"
#include "http.h"
#include "page.h"
#include "parse.h"
#include "preface.h"
#include "refusal.h"
#include "reverse.h"
#include "rewrite.h"
#include "stranger.h"
#include "via.h"

/* tls: what a TLS handshake says in the clear */
#include "alert.h"
#include "flight.h"
#include "hello.h"

/* policy: who may do what: rules, users, limits, parents */
#include "acl.h"
#include "authcache.h"
#include "authhelper.h"
#include "cover.h"
#include "entry.h"
#include "filter.h"
#include "group.h"
#include "list.h"
#include "login.h"
#include "pins.h"
#include "quota.h"
#include "rule.h"
#include "target.h"
#include "upstream.h"
#include "who.h"

/* conf: the configuration file */
#include "conf.h"
#include "directives.h"
#include "doubts.h"
#include "include.h"
#include "lists.h"
#include "reader.h"

/* conn: a connection and its life, in a worker */
#include "aim.h"
#include "ask.h"
#include "auth.h"
#include "conn.h"
#include "decision.h"
#include "extra.h"
#include "forward.h"
#include "head.h"
#include "kept.h"
#include "life.h"
#include "namecache.h"
#include "parent.h"
#include "parking.h"
#include "reply.h"
#include "say.h"
#include "self.h"
#include "sender.h"
#include "stats.h"
#include "steps.h"
#include "store.h"
#include "vet.h"
#include "worker.h"

/* desk: what blocks: names and passwords */
#include "desk.h"
#include "helper.h"
#include "hosts.h"
#include "matter.h"

/* control: what is shown of the proxy, and how it is steered */
#include "answer.h"
#include "control.h"
#include "crowd.h"
#include "gather.h"
#include "html.h"
#include "metrics.h"
#include "peer.h"
#include "sheet.h"
#include "talk.h"
#include "view.h"

/* master: generations of children, their sockets, and the loop over them */
#include "budget.h"
#include "child.h"
#include "court.h"
#include "gen.h"
#include "guard.h"
#include "identity.h"
#include "judge.h"
#include "links.h"
#include "listen.h"
#include "master.h"
#include "room.h"
#include "ruling.h"
#include "service.h"
#include "steward.h"
#include "trial.h"

/* cli: what -t and -s say */
#include "explain.h"
#include "hints.h"
#include "near.h"
#include "quote.h"
#include "steer.h"
#include "table.h"
#include "top.h"
#include "wire.h"

#endif
