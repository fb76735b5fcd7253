/* SPDX-License-Identifier: ISC */
/*
 * Who listens: ipc/baton.c, the part of worker.c that passes the baton on, and
 * master/guard.c, which takes it from a worker that has died.  All workers are
 * of one generation that serves.  A step of this model is one access to what
 * processes share, or one system call.  A worker can be killed between any two.
 *
 * Shown: when clients no longer come and go, and no process can do any more,
 * no client waits while there is room for it, and one worker listens.
 *
 * N workers with ROOM connections each (args.max_conns), MAX of all together
 * (MaxClients, 0: any number), CLIENTS that ever come, DEATHS, and ERRORS of
 * accept() for want of descriptors (EMFILE).  Every connection is a tunnel, so
 * none gives way to another client (life_make_room()).
 *
 * There is no reserve (baton_plan()), no connection is half closed, and none is
 * at full speed (baton_rapid()).
 *
 * Left out: guard_look() and guard_worker_doubt(), which look for workers that
 * hang: all must work without them.  A drain is in master.pml.
 *
 * Each mutant leaves something out, and must fail:
 *   NO_LOOK       guard_worker_gone() sends no ORDER_LOOK
 *   NO_LOOK_BACK  nor does baton_ensure(); two deaths show that
 *   NO_BELL       baton_pass() does not ring
 *   NO_UPDATE     a turn ends without listen_update()
 */
#ifndef N
#define N 2
#endif
#ifndef ROOM
#define ROOM 1
#endif
#ifndef MAX
#define MAX 0
#endif
#ifndef CLIENTS
#define CLIENTS 2
#endif
#ifndef DEATHS
#define DEATHS 1
#endif
#ifndef ERRORS
#define ERRORS 0
#endif

#define NOBODY 9
#define NEVER 200 /* UINT64_MAX of baton_next() */

mtype = { AWAY, READY, RESTS }; /* enum slot_state */
mtype = { LISTEN, LOOK };       /* enum order */

/* What is shared: struct share_slot, the bells and the control sockets. */
byte baton = NOBODY;
mtype state[N] = AWAY;
byte load[N];
bool bell[N];
chan orders[N] = [2] of { mtype };
bool noted[N]; /* NOTE_READY is on its way */

/* What the system knows. */
bool runs[N];    /* the process lives */
bool cradle[N];  /* it can be forked */
bool zombie[N];  /* it has died and was not waited for */
bool watches[N]; /* its listeners are in its poll set: w.listening */
bool helps[N];   /* though another worker has the baton: w.helps */
byte conns[N];   /* conn_count() */
byte waiting;    /* clients that connect() has let in, but accept() has not */

/* What the master knows: struct child. */
bool known[N], ready[N], restart[N];
bool serving; /* the generation is GEN_LIVE */

/* The clients, errors and deaths that there were; calm: they end. */
byte came, errors, deaths;
bool calm;

#if MAX
#define SUM (load[0] + load[1])
#define TAKEN (conns[0] + conns[1])
#define FULL(i) (conns[i] >= ROOM || TAKEN >= MAX)
#else
#define FULL(i) (conns[i] >= ROOM)
#endif
#define SERVES(i) (i < N && known[i] && ready[i]) /* worker_serves() */

/* guard.c: worker_order(); one that cannot be sent rings the bell. */
inline order(i, what)
{
	if
	:: atomic { runs[i] && nfull(orders[i]) -> orders[i]!what }
	:: !runs[i] || full(orders[i]) -> bell[i] = true
	fi
}

/* baton_next() and worker_fewest(): one that is ready and has room is better. */
#define BURDEN(i) (load[i] + (state[i] == AWAY -> 100 : \
	(state[i] == RESTS || load[i] >= ROOM -> 50 : 0)))

/* guard.c: baton_assign().  Loads and states are a guess in any case. */
inline baton_assign()
{
	d_step {
		best = NOBODY;
		least = NEVER;
		i = 0;
		do
		:: i < N ->
			l = BURDEN(i);
			if
			:: SERVES(i) && l < least -> least = l; best = i
			:: else
			fi;
			i++
		:: else -> break
		od;
		i = 0;
		l = 0;
		least = 0
	}
	if
	:: best != NOBODY ->
		baton = best; /* baton_give() */
		order(best, LISTEN)
	:: else
	fi;
	best = 0
}

/* guard.c: baton_ensure() */
inline baton_ensure()
{
	holder = baton;
	if
	:: SERVES(holder)
	:: else ->
		baton_assign();
#ifndef NO_LOOK_BACK
		if
		:: holder < N && known[holder] -> order(holder, LOOK)
		:: else
		fi
#endif
	fi;
	holder = 0
}

/* child_gone() and guard_worker_gone(), after waitpid() */
inline worker_gone(k)
{
	known[k] = false;
	restart[k] = true; /* restart_plan() */
	holder = baton;
	load[k] = 0; /* baton_forget() */
	state[k] = AWAY;
#ifndef NO_LOOK
	if
	:: SERVES(holder) -> order(holder, LOOK)
	:: else
	fi;
#endif
	baton_ensure()
}

/* gen_notes(), master_reap() and gen_restart() for one child */
#define CHILD(k) \
	:: atomic { noted[k] -> noted[k] = false; ready[k] = true }; \
		baton_ensure() /* guard_worker_ready() */ \
	:: atomic { zombie[k] && cradle[k] -> zombie[k] = false }; \
		worker_gone(k) \
	:: atomic { restart[k] -> /* child_start() */ \
			restart[k] = false; \
			ready[k] = false; \
			noted[k] = false; \
			do \
			:: nempty(orders[k]) -> orders[k]?_ \
			:: empty(orders[k]) -> break \
			od; \
			known[k] = true; \
			cradle[k] = false; \
			runs[k] = true }

proctype master()
{
	byte i, best, least, l, holder;

	/* gen_ready(), then master_started() and guard_begin() */
	noted[0] && noted[1];
	atomic {
		noted[0] = false;
		noted[1] = false;
		ready[0] = true;
		ready[1] = true;
		serving = true
	}
	baton_assign();
end:
	do
	CHILD(0)
	CHILD(1)
	od
}

/* baton.c: baton_next() with two workers in use: next and baton_most() */
inline baton_next()
{
	least = load[1 - me];
	atomic {
		if
		:: least < ROOM && state[1 - me] == READY ->
			next = 1 - me;
			most = least + 1
		:: else ->
			next = NOBODY;
			most = NEVER
		fi;
		least = 0
	}
}

/* baton.c: baton_pass() */
inline baton_pass()
{
	if
	:: atomic { baton == me -> baton = next };
#ifndef NO_BELL
		bell[next] = true /* baton_ring() */
#endif
	:: baton != me
	fi
}

#define LISTENS (!paused && (baton == me || helps[me])) /* listen_how() */
#define STATE (paused -> (out -> AWAY : RESTS) : READY)

/* listen_update(), with baton_state() */
inline listen_update()
{
	if
	:: atomic { state[me] == STATE -> watches[me] = LISTENS }
	:: atomic { state[me] != STATE -> state[me] = STATE };
		watches[me] = LISTENS
	fi
}

/* listen_pause() */
inline listen_pause(lacks)
{
	paused = true;
	out = lacks;
	paused_count = conns[me];
	listen_update();
	if
	:: out ->
		/* listen_pass() */
		baton_next();
		if
		:: next != NOBODY -> baton_pass()
		:: else
		fi;
		atomic {
			next = 0;
			most = 0
		}
	:: else
	fi
}

/* place_give_back() */
inline place_give_back()
{
	if
	:: atomic { conns[me] >= load[me] -> load[me] = conns[me] }
	:: atomic { conns[me] < load[me] -> load[me] = conns[me] };
		holder = baton;
		if
		:: atomic { holder == 1 - me && state[1 - me] == RESTS -> holder = 0 };
			bell[1 - me] = true
		:: atomic { else -> holder = 0 }
		fi
	fi
}

/* accept_later(): there is no place */
inline accept_later()
{
	if
	:: atomic { waiting == 0 -> accepted = false } /* client_waits() */
	:: atomic { waiting > 0 -> accepted = false; next = NOBODY };
		if
		:: conns[me] >= ROOM -> baton_next()
		:: else
		fi;
		if
		:: next != NOBODY -> baton_pass()
		:: else -> listen_pause(false)
		fi;
		atomic {
			next = 0;
			most = 0
		}
	fi
}

/* sys_accept() and the rest of accept_one(), with a place taken */
inline accept_placed()
{
	if
	:: atomic { waiting > 0 -> waiting--; conns[me]++ }
	:: atomic { waiting == 0 -> accepted = false };
		place_give_back()
	:: atomic { waiting > 0 && errors < ERRORS -> errors++ };
		accepted = false;
		place_give_back();
		listen_pause(true)
	fi
}

/* accept_one(), with place_take() */
inline accept_one()
{
	if
	:: conns[me] >= ROOM -> accept_later()
	:: atomic { conns[me] < ROOM -> load[me] = conns[me] + 1 };
#if MAX
		if
		:: SUM <= MAX -> accept_placed()
		:: else ->
			load[me] = conns[me];
			accept_later()
		fi
#else
		accept_placed()
#endif
	fi
}

/* listener_ready(): accepts up to max clients */
inline listener_ready()
{
	do
	:: max > 0 && accepted -> max--; accept_one()
	:: else -> break
	od;
	max = 0
}

/*
 * listeners_serve() and listener_event(), with accept_batch(); so few clients
 * come one by one.
 */
inline listener_event()
{
	place_give_back();
	if
	:: baton != me || paused
	:: baton == me && !paused ->
		baton_next();
		if
		:: conns[me] >= most -> baton_pass()
		:: atomic { else -> accepted = true; max = 1 };
			listener_ready();
			if
			:: accepted && next != NOBODY ->
				bell[next] = true /* a batch was full */
			:: true
			fi
		fi
	fi;
	atomic {
		accepted = false;
		next = 0;
		most = 0
	}
}

/*
 * listen_aside(), aside_size(): a connection has just ended here, the bell has
 * rung, or the last batch was full.  Another to ring for would be the one with
 * the baton.
 */
inline listen_aside()
{
	if
	:: atomic { paused -> helps[me] = false }
	:: else ->
		place_give_back();
		holder = baton;
		if
		:: atomic { holder == 1 - me &&
				load[holder] + (rung || helps[me]) > conns[me] ->
				holder = 0;
				helps[me] = false;
				accepted = true;
				max = 1 };
			listener_ready();
			if
			:: atomic { accepted -> /* a batch was full */
					accepted = false;
					helps[me] = true }
			:: accepted = false
			fi
		:: atomic { else -> holder = 0; helps[me] = false }
		fi
	fi
}

/* worker_event() of the control socket: master_ready() */
inline master_ready()
{
	if
	:: atomic { orders[me]?LISTEN -> accepted = true; max = 8 };
		listener_ready(); /* listen_ordered() */
		accepted = false
	:: orders[me]?LOOK
	fi
}

/* One event in worker_turn(). */
#define EVENT \
	:: nempty(orders[me]) -> master_ready() \
	:: atomic { bell[me] -> /* bell_heard() */ \
			bell[me] = false; \
			rung = true; \
			paused = paused && out } \
	:: watches[me] && waiting > 0 -> listener_event() \
	:: atomic { conns[me] > 0 && !calm && !ended -> \
			conns[me]--; \
			ended = true }

/*
 * worker_turn(): what watch_poll() has found, in any order, and turn_chores().
 * Turns that turn_is_plain() finds change nothing here.
 */
inline worker_turn()
{
	if
	EVENT
	:: atomic { paused -> paused = false } /* PAUSE_TIME is over */
	fi;
#ifdef MANY
	do
	EVENT
	:: break
	od;
#endif
	if
	:: atomic { ended || rung || helps[me] ->
			paused = paused && !(ended && conns[me] < paused_count);
			ended = false };
		if
		:: listen_aside()
		:: !rung && !helps[me] /* ASIDE_TIME is over */
		fi;
		rung = false
	:: else
	fi;
	place_give_back();
	/* They say nothing when it does not rest. */
	atomic {
		out = out && paused;
		paused_count = (paused -> paused_count : 0)
	}
#ifndef NO_UPDATE
	listen_update()
#endif
}

proctype worker(byte me)
{
	bool paused, out, accepted, ended, rung;
	byte next, most, least, holder, max, paused_count;

born:
	runs[me];
	/* worker_run() */
	{
		listen_update();
		noted[me] = true;
end:
		do
		:: worker_turn()
		od
	} unless { !runs[me] };
	/* Nothing is left of what it had. */
	d_step {
		paused = false;
		out = false;
		accepted = false;
		ended = false;
		rung = false;
		next = 0;
		most = 0;
		least = 0;
		holder = 0;
		max = 0;
		paused_count = 0;
		cradle[me] = true
	}
	goto born
}

#define KILL(k) \
	:: atomic { serving && deaths < DEATHS && runs[k] -> \
			deaths++; \
			runs[k] = false; \
			conns[k] = 0; \
			watches[k] = false; \
			helps[k] = false; \
			zombie[k] = true }

/* Clients, and what kills workers; they end when they like. */
proctype world()
{
	do
	:: atomic { came < CLIENTS -> came++; waiting++ }
	KILL(0)
	KILL(1)
	:: break
	od;
	calm = true
}

/* No process can do anything any more. */
proctype judge()
{
	timeout;
	assert(waiting == 0 || (FULL(0) && FULL(1)));
	assert(baton < N && runs[baton]);
	assert(watches[baton]);
	/* The next turn of one that helps for nothing is its last. */
	assert(!watches[1 - baton] || helps[1 - baton])
}

init
{
	byte k;

	atomic {
		do
		:: k < N ->
			known[k] = true;
			runs[k] = true;
			run worker(k);
			k++
		:: else -> break
		od;
		run master();
		run world();
		run judge()
	}
}
