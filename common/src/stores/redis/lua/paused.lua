-- The queues that nothing is fetched from.
return call('SMEMBERS', PAUSED)
