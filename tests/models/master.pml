/* SPDX-License-Identifier: ISC */
/*
 * The master's list of generations and its messages: master/master.c,
 * master/gen.c, the orders and notes of worker.c, and the hand-over of an
 * upgrade (master/upgrade.c, master/adopt.c).  Each generation has one worker
 * and a desk.  Signals come between any two steps, and one message of all can
 * be lost (sys_send() fails, as with ENOBUFS).
 *
 * Shown: when no process can do any more, what was asked for has been done.
 * After SIGTERM or SIGQUIT the master has ended; else the newest configuration
 * is in use, its worker listens, and of other generations only those are left
 * that carry a tunnel.  None of that needs a deadline (kill_at, due): they are
 * for processes that hang.
 *
 * HUPS, QUITS, TERMS and USR2S say how often a signal comes at most, DEATHS how
 * often a worker dies, LOST how many messages are lost.
 *
 * Left out: the control process and the judge, room_make() and MaxDraining,
 * logs, orders to the desk, DrainOnTerm, and listeners that the next generation
 * does not have.
 *
 * Each mutant leaves something out, and must fail:
 *   ONE_PASS         the master looks once in a turn at all that it could do
 *   BLIND_READY      worker_run() does not look whether its note was sent
 *   BLIND_DRAINED    nor does drained()
 *   BLIND_LISTEN     nor does worker_order() of guard.c: no bell
 *   BLIND_DRAIN      nor does worker_order() of gen.c: ORDER_DRAIN comes once
 *   DEAF             a signal that was noted before exec() is not looked at
 */
#ifndef HUPS
#define HUPS 0
#endif
#ifndef QUITS
#define QUITS 0
#endif
#ifndef TERMS
#define TERMS 0
#endif
#ifndef USR2S
#define USR2S 0
#endif
#ifndef DEATHS
#define DEATHS 0
#endif
#ifndef LOST
#define LOST 0
#endif

#define GENS (1 + HUPS + 2 * USR2S) /* that there ever are, about */
#define NONE GENS

mtype = { STARTING, RUNNING, LEAVING, DRAINING, STOPPING }; /* enum phase */
mtype = { GEN_STARTING, GEN_LIVE, GEN_DRAINING, GEN_FAILED };
mtype = { NO_TRIAL, TRIAL_RUNS, TRIAL_RIGHT }; /* enum upgrade */
mtype = { LISTEN, DRAIN };                     /* enum order */
mtype = { READY, DRAINED };                    /* enum note */

/* What the signals ask for (wants_stop and so on), and the pipe. */
bool term, quit, hup, usr2, woken;

/* What the master knows: struct m, struct gen, struct child. */
mtype phase = STARTING;
byte live = NONE, coming = NONE;
bool reload_due, upgrade_due, retry;
mtype trial = NO_TRIAL;
byte ngens; /* the newest of the list is the last of these */
bool listed[GENS], adopted[GENS], stopped[GENS];
mtype state[GENS];
bool worker_pid[GENS], desk_pid[GENS], restart[GENS];
bool ready[GENS], drained[GENS];
bool unsent[GENS];  /* ORDER_DRAIN is to be sent again */
byte read_at[GENS]; /* which configuration it has */

/* The processes, and what is between them. */
bool worker_runs[GENS], desk_runs[GENS], killed[GENS];
bool control[GENS]; /* the master's ends of the sockets are open */
chan orders[GENS] = [3] of { mtype };
chan notes[GENS] = [2] of { mtype };
bool bell[GENS], baton[GENS], watches[GENS];
bool tunnel[GENS];
bool over; /* the master has ended */

/* What has happened: it ends when it likes. */
byte hups, usr2s, deaths, lost, newest;
bool asked_quit, asked_term, calm, failed;

#define LOSE (lost < LOST)

/* guard.c: baton_give(), then worker_order(), which rings if it must. */
inline guard_begin(g)
{
	baton[g] = true;
	if
	:: true -> orders[g]!LISTEN
	:: LOSE -> lost++;
#ifndef BLIND_LISTEN
		bell[g] = true
#endif
	fi
}

/* gen.c: worker_drain() */
inline worker_drain(g)
{
	if
	:: !worker_pid[g] || !control[g]
	:: worker_pid[g] && control[g] -> orders[g]!DRAIN; unsent[g] = false
	:: worker_pid[g] && control[g] && LOSE ->
		lost++;
#ifndef BLIND_DRAIN
		unsent[g] = true
#endif
	fi
}

/* gen_start() of a generation that gen_new() has put at the head */
inline gen_start()
{
	listed[ngens] = true;
	state[ngens] = GEN_STARTING;
	read_at[ngens] = newest;
	worker_pid[ngens] = true;
	desk_pid[ngens] = true;
	control[ngens] = true;
	worker_runs[ngens] = true;
	desk_runs[ngens] = true;
	run worker(ngens);
	run desk(ngens);
	coming = ngens;
	ngens++
}

inline gen_stop(g)
{
	stopped[g] = true;
	restart[g] = false;
	unsent[g] = false;
	control[g] = false
}

inline gen_kill(g)
{
	gen_stop(g);
	killed[g] = worker_pid[g];
	desk_runs[g] = false;
	woken = true /* SIGCHLD */
}

inline gen_drain(g)
{
	state[g] = GEN_DRAINING;
	restart[g] = false;
	worker_drain(g)
}

/* master_reload_failed(), which is a line in the log */
inline master_reload_failed()
{
	failed = true;
	if
	:: coming != NONE ->
		state[coming] = GEN_FAILED;
		gen_kill(coming);
		coming = NONE
	:: else
	fi;
	retry = adopted[live]
}

/* master_stop() */
inline master_stop()
{
	trial = NO_TRIAL;
	phase = STOPPING;
	g = 0;
	do
	:: g < ngens ->
		if
		:: listed[g] -> gen_stop(g)
		:: else
		fi;
		g++
	:: else -> break
	od
}

/* master_leave() */
inline master_leave()
{
	if
	:: coming != NONE -> master_reload_failed()
	:: else
	fi;
	trial = NO_TRIAL;
	reload_due = false;
	upgrade_due = false;
	retry = false;
	phase = LEAVING
}

/* master_begin_due() */
inline master_begin_due()
{
	if
	:: reload_due && coming == NONE && trial == NO_TRIAL &&
		phase == RUNNING ->
		reload_due = false;
		gen_start();
		any = true
	:: else ->
		if
		:: upgrade_due && coming == NONE && phase == RUNNING &&
			trial == NO_TRIAL ->
			upgrade_due = false;
			trial = TRIAL_RUNS; /* upgrade_try() */
			any = true
		:: else
		fi
	fi
}

/* master_obey(); with DrainDelay the drain comes after a sleep */
inline master_obey()
{
	atomic {
		if
		:: phase == STOPPING
		:: phase != STOPPING && (term || (quit && phase == STARTING)) ->
			master_stop();
			any = true
		:: else ->
			if
			:: quit && phase == RUNNING -> master_leave(); any = true
			:: phase == LEAVING ->
				phase = DRAINING;
				gen_drain(live);
				any = true
			:: else ->
				if
				:: hup ->
					hup = false;
					reload_due = reload_due ||
						phase == STARTING ||
						phase == RUNNING;
					any = true
				:: else ->
					if
					:: usr2 ->
						usr2 = false;
						upgrade_due = upgrade_due ||
							phase == STARTING ||
							phase == RUNNING;
						any = true
					:: else -> master_begin_due()
					fi
				fi
			fi
		fi
	}
}

/* master_check_coming() */
inline master_check_coming()
{
	atomic {
		if
		:: coming == NONE || phase == STOPPING
		:: else ->
			if
			:: state[coming] == GEN_FAILED && phase != STARTING ->
				master_reload_failed();
				any = true
			:: state[coming] != GEN_FAILED && ready[coming] ->
				/* master_started(), master_take_over() */
				before = live;
				live = coming;
				coming = NONE;
				retry = false;
				state[live] = GEN_LIVE;
				guard_begin(live);
				if
				:: phase == STARTING -> phase = RUNNING
				:: else -> gen_drain(before)
				fi;
				before = 0;
				any = true
			:: else
			fi
		fi
	}
}

/* is_overdue(), gen_kill(), is_finished() and master_free() of one */
inline tidy_one(g)
{
	if
	:: state[g] == GEN_DRAINING && !stopped[g] && !worker_pid[g] &&
		!restart[g] ->
		gen_kill(g);
		any = true
	:: else
	fi;
	if
	:: stopped[g] && !worker_pid[g] && !desk_pid[g] &&
		(g != live || count == 1) ->
		listed[g] = false;
		count--;
		any = true;
		if
		:: g == live -> live = NONE
		:: else
		fi;
		if
		:: g == coming -> coming = NONE
		:: else
		fi
	:: else
	fi
}

/* master_tidy(): the newest comes first */
inline master_tidy()
{
	atomic {
		count = 0;
		g = 0;
		do
		:: g < ngens -> count = count + listed[g]; g++
		:: else -> break
		od;
		do
		:: g > 0 ->
			g--;
			if
			:: listed[g] -> tidy_one(g)
			:: else
			fi
		:: else -> break
		od;
		count = 0
	}
}

/* upgrade_run(): exec(), then upgrade_resumes(), adopt_all(), master_resume() */
inline become()
{
	trial = NO_TRIAL;
	term = false; /* the memory is new */
	quit = false;
	hup = false;
	usr2 = false;
	upgrade_due = false;
	g = 0;
	do
	:: g < ngens ->
		adopted[g] = true;
		g++
	:: else -> break
	od;
	g = 0;
	reload_due = true;
	woken = true
}

/* master_check_upgrade() */
inline master_check_upgrade()
{
	atomic {
		if
		:: trial != TRIAL_RIGHT
#ifndef DEAF
		:: trial == TRIAL_RIGHT && (term || quit || hup || usr2) ->
			any = true
		:: trial == TRIAL_RIGHT && !(term || quit || hup || usr2) ->
#else
		:: trial == TRIAL_RIGHT ->
#endif
			become();
			any = true
		fi
	}
}

/* gen_notes() for one child */
inline gen_note(g)
{
	atomic {
		if
		:: control[g] && notes[g]?[READY] ->
			notes[g]?READY;
			ready[g] = true
		:: control[g] && notes[g]?[DRAINED] ->
			notes[g]?DRAINED;
			drained[g] = true
		:: else
		fi
	}
}

/* waitpid() and gen_reap() for the children of one generation */
inline gen_reap(g)
{
	atomic {
		if
		:: desk_pid[g] && !desk_runs[g] -> desk_pid[g] = false
		:: else
		fi;
		if
		:: worker_pid[g] && !worker_runs[g] -> /* child_gone() */
			worker_pid[g] = false;
			unsent[g] = false;
			restart[g] = state[g] == GEN_LIVE && !stopped[g] &&
				!adopted[g];
			if
			:: state[g] == GEN_STARTING -> state[g] = GEN_FAILED
			:: else
			fi
		:: else
		fi
	}
}

/* gen_restart(): child_start() with a socket of its own */
inline gen_restart(g)
{
	do
	:: nempty(orders[g]) -> orders[g]?_
	:: empty(orders[g]) -> break
	od;
	do
	:: nempty(notes[g]) -> notes[g]?_
	:: empty(notes[g]) -> break
	od;
	restart[g] = false;
	ready[g] = false;
	worker_pid[g] = true;
	worker_runs[g] = true;
	run worker(g)
}

#define SAYS(g) (control[g] && nempty(notes[g]))
#define LISTED(g) (listed[g])
#define DUE(g) (listed[g] && (restart[g] || (unsent[g] && control[g])))

#if GENS == 1
#define ANY(what) what(0)
#elif GENS == 2
#define ANY(what) (what(0) || what(1))
#elif GENS == 3
#define ANY(what) (what(0) || what(1) || what(2))
#elif GENS == 4
#define ANY(what) (what(0) || what(1) || what(2) || what(3))
#endif

/* master_sleep(): until something comes, or a moment that is near */
inline master_sleep()
{
	if
	:: atomic { woken -> woken = false }
	:: ANY(SAYS)
	:: ANY(DUE)
	:: atomic { retry -> retry = false; reload_due = true }
	fi
}

/* master_turn() */
inline master_turn()
{
	master_sleep();
	g = 0;
	do
	:: g < ngens -> gen_note(g); g++
	:: else -> break
	od;
	g = 0;
	do
	:: g < ngens -> gen_reap(g); g++
	:: else -> break
	od;
	do
	:: any = false;
		master_obey();
		/* gen_resend(), which master_check_late() calls */
		atomic {
			g = 0;
			do
			:: g < ngens ->
				if
				:: unsent[g] -> worker_drain(g)
				:: else
				fi;
				g++
			:: else -> break
			od
		}
		master_check_coming();
		master_tidy();
		master_check_upgrade();
#ifdef ONE_PASS
		any = false;
#endif
		if
		:: any
		:: else -> break
		fi
	od;
	atomic {
		g = 0;
		do
		:: g < ngens ->
			if
			:: listed[g] && restart[g] -> gen_restart(g)
			:: else
			fi;
			g++
		:: else -> break
		od
	}
}

proctype master()
{
	byte g, before, count;
	bool any;

	atomic { gen_start() }
	do
	:: phase == STARTING && coming != NONE && state[coming] == GEN_FAILED ->
		/* MASTER_FAILED: the program ends */
		atomic {
			gen_kill(coming);
			listed[coming] = false;
			worker_pid[coming] = false;
			break
		}
	:: phase != STARTING && !ANY(LISTED) -> break
	:: else -> master_turn()
	od;
	over = true
}

/* worker_run(), and of worker_turn() and turn_chores() what messages do */
proctype worker(byte g)
{
	bool draining, told;

	{
		atomic { watches[g] = baton[g] } /* listen_update() */
		if
		:: notes[g]!READY
		:: atomic { LOSE -> lost++ };
#ifndef BLIND_READY
			goto gone /* STATUS_SYSTEM */
#endif
		fi;
end:
		do
		:: atomic { nempty(orders[g]) ->
				if
				:: orders[g]?LISTEN
				:: orders[g]?DRAIN -> draining = true
				fi;
				watches[g] = baton[g] && !draining }
		:: atomic { bell[g] ->
				bell[g] = false;
				watches[g] = baton[g] && !draining }
		:: empty(orders[g]) && !control[g] -> break /* it hung up */
		:: atomic { draining && !told && control[g] -> /* drained() */
				if
				:: notes[g]!DRAINED; told = true
				:: LOSE -> lost++;
#ifdef BLIND_DRAINED
					told = true
#endif
				fi }
		:: draining && told && !tunnel[g] -> break
		:: atomic { watches[g] && !tunnel[g] && !calm ->
				tunnel[g] = true }
		od;
gone:
		skip
	} unless { killed[g] };
	atomic {
		worker_runs[g] = false;
		watches[g] = false;
		tunnel[g] = false;
		killed[g] = false;
		woken = true
	}
}

/* The desk leaves when the master has, or all who could ask it. */
proctype desk(byte g)
{
	atomic {
		!desk_runs[g] || !control[g] || (!worker_runs[g] &&
			(state[g] != GEN_LIVE && state[g] != GEN_STARTING)) ->
		desk_runs[g] = false;
		woken = true
	}
}

#define KILLABLE(g) (worker_runs[g] && !killed[g] && deaths < DEATHS)
#define KILL(g) \
	:: atomic { KILLABLE(g) && phase != STARTING -> \
			deaths++; killed[g] = true }
#define LEAVE(g) :: atomic { tunnel[g] -> tunnel[g] = false }

/* Whoever sends signals, clients, deaths, and the trial run of an upgrade. */
proctype world()
{
	do
	:: atomic { hups < HUPS -> hups++; newest++; hup = true; woken = true }
	:: atomic { usr2s < USR2S && phase != STARTING ->
			usr2s++; usr2 = true; woken = true }
	:: atomic { !asked_quit && QUITS -> asked_quit = true; quit = true;
			woken = true }
	:: atomic { !asked_term && TERMS -> asked_term = true; term = true;
			woken = true }
	LEAVE(0)
	KILL(0)
#if GENS > 1
	LEAVE(1)
	KILL(1)
#endif
	:: break
	od;
	calm = true
}

/* The new program shows that it is right, or not. */
proctype tester()
{
end:
	do
	:: atomic { trial == TRIAL_RUNS ->
			if
			:: trial = TRIAL_RIGHT
			:: trial = NO_TRIAL; failed = true
			fi;
			woken = true }
	od
}

/* Whether a generation is as it should be when nothing moves. */
inline check(g)
{
	if
	:: !listed[g] -> assert(!worker_runs[g] && !desk_runs[g])
	:: listed[g] && g == live && phase == RUNNING ->
		assert(worker_runs[g] && ready[g] && desk_runs[g]);
		assert(watches[g])
	:: listed[g] && g == live && phase == DRAINING && stopped[g] ->
		/* The master still writes to its logs. */
		assert(!worker_runs[g] && !desk_runs[g]);
		others = true
	:: else ->
		assert(state[g] == GEN_DRAINING && tunnel[g] && drained[g]);
		assert(!watches[g]);
		tunnels = true
	fi
}

proctype judge()
{
	byte g;
	bool others, tunnels;

	timeout;
	atomic {
		do
		:: g < ngens -> check(g); g++
		:: else -> break
		od;
		assert(!others || tunnels);
		assert(!asked_term || over);
		assert(over || phase == RUNNING || phase == DRAINING);
		assert(over || !asked_quit || phase == DRAINING);
		assert(over || phase == DRAINING ||
			(coming == NONE && !reload_due && !upgrade_due));
		assert(over || phase == DRAINING || failed ||
			read_at[live] == newest);
	}
}

init
{
	atomic {
		run master();
		run tester();
		run world();
		run judge()
	}
}
